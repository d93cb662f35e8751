//! The networks, drawn from the public one at the top down to the two peers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::picture::text::{Escaped, short};
use crate::trace::{Member, Role, Trace};

const WIDTH: i32 = 480;
const LEVEL: i32 = 84;
const BOX: (i32, i32) = (136, 52);
/// Of the public network.
const CLOUD: &str = "internet";
/// Characters of a line in a box.
const LINE: usize = 23;

/// Writes the drawing.
pub fn write(out: &mut String, trace: &Trace) {
    let places = places(trace);
    let lowest = places.values().map(|(_, y)| *y).max().unwrap_or(0);
    let height = lowest + BOX.1 / 2 + 8;
    let _ = writeln!(
        out,
        "<svg class=\"map\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"The networks between the two peers\">"
    );
    let at = |name: &str| places.get(name).copied().unwrap_or((WIDTH / 2, 0));
    for member in &trace.elements {
        let above = member.behind.as_deref().unwrap_or(CLOUD);
        let ((x, y), (to_x, to_y)) = (at(&member.name), at(above));
        let _ = writeln!(
            out,
            "<line class=\"wire\" data-wire=\"{}|{}\" x1=\"{x}\" y1=\"{y}\" x2=\"{to_x}\" y2=\"{to_y}\"/>",
            Escaped(&member.name),
            Escaped(above)
        );
    }
    let (x, y) = at(CLOUD);
    let _ = writeln!(
        out,
        "<g class=\"node cloud\" data-node=\"{CLOUD}\" data-x=\"{x}\" data-y=\"{y}\"><ellipse cx=\"{x}\" cy=\"{y}\" rx=\"62\" \
         ry=\"24\"/><text x=\"{x}\" y=\"{}\">Internet</text></g>",
        y + 4
    );
    trace.elements.iter().for_each(|member| node(out, member, at(&member.name)));
    out.push_str("<circle class=\"dot\" r=\"7\" cx=\"-20\" cy=\"-20\"/>\n</svg>\n");
}

fn node(out: &mut String, member: &Member, (x, y): (i32, i32)) {
    let class = match member.role {
        Role::Peer => "peer",
        Role::Box => "box",
        Role::Server => "server",
    };
    let (left, top) = (x - BOX.0 / 2, y - BOX.1 / 2);
    let name = Escaped(&member.name);
    let _ = write!(
        out,
        "<g class=\"node {class}\" data-node=\"{name}\" data-x=\"{x}\" data-y=\"{y}\"><title>{name}: {}</title>\
         <rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" rx=\"8\"/><text class=\"name\" x=\"{x}\" y=\"{}\">{name}</text>",
        Escaped(if member.words.is_empty() { "a peer" } else { &member.words }),
        BOX.0,
        BOX.1,
        top + 17
    );
    for (line, address) in member.addresses.iter().take(2).enumerate() {
        let _ = write!(
            out,
            "<text class=\"address\" x=\"{x}\" y=\"{}\">{}</text>",
            top + 32 + 13 * i32::try_from(line).unwrap_or(0),
            Escaped(&short(address, LINE))
        );
    }
    out.push_str("</g>\n");
}

/// Where each is drawn, by name: the middle of its box.
fn places(trace: &Trace) -> BTreeMap<&str, (i32, i32)> {
    let find = |name: &str| trace.elements.iter().find(|member| member.name == name);
    // The boxes above each peer, from the inside out.
    let chains: Vec<Vec<&Member>> = trace
        .elements
        .iter()
        .filter(|member| member.role == Role::Peer)
        .map(|peer| {
            let mut chain = vec![peer];
            while let Some(above) = chain.last().and_then(|member| member.behind.as_deref()).and_then(find) {
                if chain.len() > trace.elements.len() {
                    break;
                }
                chain.push(above);
            }
            chain
        })
        .collect();
    let deepest = chains.iter().map(Vec::len).max().unwrap_or(1);
    let shared = |member: &Member| chains.iter().all(|chain| chain.iter().any(|other| other.name == member.name));
    let mut places = BTreeMap::from([(CLOUD, (WIDTH / 2, BOX.1 / 2 + 2))]);
    for (chain, x) in chains.iter().zip([WIDTH / 4 - 20, WIDTH * 3 / 4 + 20]) {
        for (depth, member) in chain.iter().rev().enumerate() {
            // Peers stand in one line at the bottom.
            let level = if member.role == Role::Peer { deepest } else { depth + 1 };
            let x = if shared(member) { WIDTH / 2 } else { x };
            let y = BOX.1 / 2 + 2 + LEVEL * i32::try_from(level).unwrap_or(0);
            places.insert(&member.name, (x, y));
        }
    }
    let servers = trace.elements.iter().filter(|member| member.role == Role::Server);
    for (server, x) in servers.zip([BOX.0 / 2 + 4, WIDTH - BOX.0 / 2 - 4]) {
        places.insert(&server.name, (x, BOX.1 / 2 + 2));
    }
    places
}
