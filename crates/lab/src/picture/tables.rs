//! The tables of the boxes, row by row as the packets made them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use peerage_sim::packet::Protocol;
use peerage_sim::step::Step;

use crate::picture::text::Escaped;
use crate::record::Journey;
use crate::trace::{Role, Trace};

/// Remote endpoints that are named in a row.
const REMOTES: usize = 8;
/// Rows of a table that are drawn.
const ROWS: usize = 200;

/// A row, and the packets that made it and its permissions.
struct Row {
    protocol: Protocol,
    internal: SocketAddr,
    external: SocketAddr,
    made_by: usize,
    /// Who was sent to, and by which packet first.
    remotes: Vec<(SocketAddr, usize)>,
}

/// Writes the tables.
pub fn write(out: &mut String, trace: &Trace) {
    let tables = fill(&trace.journeys);
    let mut any = false;
    for member in trace.elements.iter().filter(|member| member.role == Role::Box) {
        any = true;
        let rows = tables.get(member.name.as_str()).map_or(&[][..], Vec::as_slice);
        let _ = write!(
            out,
            "<div class=\"table\"><table data-table=\"{name}\"><caption><b>{name}</b> <span>{}</span></caption><thead><tr>\
             <th scope=\"col\">inside</th><th scope=\"col\">outside</th><th scope=\"col\">sent to</th></tr></thead><tbody>",
            Escaped(&member.words),
            name = Escaped(&member.name)
        );
        rows.iter().take(ROWS).for_each(|row| write_row(out, row));
        out.push_str("</tbody></table>");
        if rows.len() > ROWS {
            let _ = write!(out, "<p class=\"more\">… and {} more rows</p>", rows.len() - ROWS);
        }
        out.push_str("</div>\n");
    }
    if !any {
        out.push_str("<p class=\"more\">Nothing translates here.</p>\n");
    }
}

fn write_row(out: &mut String, row: &Row) {
    let Row { protocol, internal, external, made_by, remotes } = row;
    let stream = if *protocol == Protocol::Tcp { "<abbr>TCP</abbr> " } else { "" };
    let _ = write!(out, "<tr data-n=\"{made_by}\"><td>{stream}{internal}</td><td>{external}</td><td>");
    for (remote, since) in remotes.iter().take(REMOTES) {
        let _ = write!(out, "<span class=\"remote\" data-n=\"{since}\">{remote}</span> ");
    }
    if let Some((_, since)) = remotes.get(REMOTES) {
        let _ = write!(out, "<span class=\"remote\" data-n=\"{since}\">… {} more</span>", remotes.len() - REMOTES);
    }
    out.push_str("</td></tr>\n");
}

/// The tables of all boxes, by name.
fn fill(journeys: &[Journey]) -> BTreeMap<&str, Vec<Row>> {
    let mut tables: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    let mut index: BTreeMap<(&str, Protocol, SocketAddr, SocketAddr), usize> = BTreeMap::new();
    for journey in journeys {
        let next = journey.stages.iter().skip(1).map(Some).chain([None]);
        for (stage, next) in journey.stages.iter().zip(next) {
            let binding = match &stage.step {
                Step::RowAdded(binding) | Step::RowFound(binding) => binding,
                _ => continue,
            };
            // Only what the inside sends permits.
            let inbound = next.is_some_and(|next| matches!(next.step, Step::Admitted { .. }));
            if inbound {
                continue;
            }
            let table = tables.entry(stage.at.as_str()).or_default();
            let key = (stage.at.as_str(), binding.protocol, binding.internal, binding.external);
            let at = *index.entry(key).or_insert_with(|| {
                let (internal, external) = (binding.internal, binding.external);
                let row = Row {
                    protocol: binding.protocol,
                    internal,
                    external,
                    made_by: journey.number,
                    remotes: Vec::new(),
                };
                table.push(row);
                table.len() - 1
            });
            if let Some(row) = table.get_mut(at).filter(|row| row.remotes.iter().all(|(to, _)| *to != binding.remote)) {
                row.remotes.push((binding.remote, journey.number));
            }
        }
    }
    tables
}
