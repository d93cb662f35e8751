//! What a followed run looks like.

use peerage_lab::decode::Purpose;
use peerage_lab::outcome::Way;
use peerage_lab::picture::html;
use peerage_lab::record::End;
use peerage_lab::scenario::Scenario;
use peerage_lab::trace::{Role, Style, Trace, told};
use peerage_sim::nat::config::Config;
use peerage_sim::step::Step;
use peerage_sim::topology::{Behind, Plan, Shape};

fn follow(a: Config, b: Config, limit: usize) -> Trace {
    let mut scenario = Scenario::between(a, b);
    scenario.messages = 3;
    Trace::follow(&scenario, limit)
}

fn text(trace: &Trace, every: bool) -> String {
    trace.text(Style { every, limit: usize::MAX }).to_string()
}

#[test]
fn the_first_packet_of_a_run_takes_the_steps_of_the_textbook() {
    let trace = follow(Config::port_restricted(), Config::port_restricted(), 1000);
    let journey = trace.journeys.iter().find(|journey| journey.summary.purpose == Purpose::Address).unwrap();
    let steps: Vec<_> = told(journey).map(|(at, _, text)| format!("{at}: {text}")).collect();
    assert_eq!(
        steps,
        [
            "a: same subnet? no: to the router, NAT 1",
            "NAT 1: new row: UDP 192.168.1.2:50001 = 203.0.113.1:50001, towards 192.0.2.1:3478",
            "NAT 1: source rewritten: 192.168.1.2:50001 => 203.0.113.1:50001",
            "NAT 1: same subnet? yes: straight to relay",
            "relay: arrived, from 203.0.113.1:50001",
        ]
    );
    let answer = trace.journeys.iter().find(|journey| journey.summary.title == "Binding success").unwrap();
    assert_eq!(answer.summary.details, "seen as 203.0.113.1:50001");
    let steps: Vec<_> = told(answer).map(|(at, _, text)| format!("{at}: {text}")).collect();
    assert_eq!(
        steps[2..],
        [
            "NAT 1: filter: let in, the inside has sent to 192.0.2.1:3478",
            "NAT 1: translated back: 203.0.113.1:50001 => 192.168.1.2:50001",
            "NAT 1: same subnet? yes: straight to a",
            "a: arrived, from 192.0.2.1:3478",
        ]
    );
}

#[test]
fn every_packet_is_told_from_its_sender_to_its_end() {
    let trace = follow(Config::port_restricted(), Config::symmetric(), 5000);
    assert!(trace.journeys.len() > 100 && trace.omitted == 0);
    let mut before = std::time::Duration::ZERO;
    for (journey, number) in trace.journeys.iter().zip(1..) {
        assert_eq!(journey.number, number);
        assert!(journey.after >= before && journey.ended_after() >= journey.after);
        before = journey.after;
        assert!(matches!(journey.stages[0].step, Step::Sent { .. }), "{journey:?}");
        assert_eq!(journey.end() == End::Dropped, journey.dropped().is_some());
    }
    let refused =
        |journey: &&peerage_lab::record::Journey| matches!(journey.dropped().map(|s| &s.step), Some(Step::Refused(_)));
    assert!(trace.journeys.iter().filter(refused).count() > 0, "the filter drops the first checks");
    assert!(trace.journeys.iter().any(|journey| journey.summary.purpose == Purpose::Handshake));
}

#[test]
fn the_text_is_quiet_about_packets_that_are_like_one_before() {
    let trace = follow(Config::full_cone(), Config::port_restricted(), 1000);
    let (quiet, all) = (text(&trace, false), text(&trace, true));
    assert!(quiet.lines().count() * 6 < all.lines().count() * 5, "{} {}", quiet.lines().count(), all.lines().count());
    assert!(quiet.contains("as #") && !all.contains("as #"));
    for part in
        ["NAT 1 ", "endpoint-independent mapping", "#1 ", "1. a ", "The table of NAT 2 at the end", "Result: direct"]
    {
        assert!(quiet.contains(part), "{part}\n{quiet}");
    }
}

#[test]
fn what_is_printed_and_kept_has_a_limit() {
    let trace = follow(Config::symmetric(), Config::symmetric(), 40);
    assert_eq!(trace.journeys.len(), 40);
    assert!(trace.omitted > 0);
    let text = trace.text(Style { every: false, limit: 10 }).to_string();
    assert!(text.contains("#10 ") && !text.contains("#11 "));
    assert!(text.contains(&format!("... and {} more packets", 30 + trace.omitted)), "{text}");
    assert!(text.lines().count() < 200);
}

/// Every element that is opened is closed, in order.
fn assert_well_formed(html: &str) {
    let void = ["meta", "input", "line", "rect", "ellipse", "circle", "path", "!doctype"];
    let body = html.replace(&html[html.find("<style>").unwrap()..html.find("</style>").unwrap()], "<style>");
    let body = body.replace(&body[body.find("<script>").unwrap()..body.find("</script>").unwrap()], "<script>");
    let mut open = Vec::new();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name: String =
            tag.trim_start_matches('/').chars().take_while(|c| !c.is_whitespace() && *c != '/').collect();
        if void.contains(&name.as_str()) {
            continue;
        }
        match tag.starts_with('/') {
            true => assert_eq!(open.pop().as_deref(), Some(name.as_str())),
            false => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_picture_has_every_packet_box_and_row_and_needs_nothing_else() {
    let trace = follow(Config::port_restricted(), Config::symmetric(), 150);
    let page = html(&trace, "port-restricted against symmetric");
    assert_well_formed(&page);
    let count = |text: &str| page.matches(text).count();
    assert_eq!(count("<g class=\"packet "), 150);
    assert_eq!(count("<details class=\"step"), 150);
    assert_eq!(count("data-node="), trace.elements.len() + 1);
    assert_eq!(count("<table data-table="), trace.elements.iter().filter(|member| member.role == Role::Box).count());
    let added = trace.journeys.iter().flat_map(|journey| journey.rows()).filter(|(_, new, _)| *new).count();
    assert_eq!(count("<tr data-n="), added);
    for word in ["http:", "https:", "src=", "@import", "url(h", "//cdn"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn nothing_in_a_picture_is_markup_of_somebody_else() {
    let page = html(&follow(Config::full_cone(), Config::full_cone(), 5), "<script>alert(1)</script>\"'&");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
    assert_eq!(page.matches("<script>").count(), 1);
    assert_well_formed(&page);
}

#[test]
fn every_shape_of_network_can_be_drawn() {
    let nat = Config::full_cone;
    let double = || Behind::Double { home: nat(), carrier: nat() };
    for shape in [
        Shape::Apart(Behind::Nothing, Behind::Nothing),
        Shape::Apart(double(), double()),
        Shape::SameNat(nat()),
        Shape::SameCarrier { homes: [nat(), nat()], carrier: nat() },
    ] {
        let trace = Trace::follow(&Scenario::new(Plan::new(shape)), 60);
        assert_eq!(trace.outcome.way, Way::Direct);
        assert_well_formed(&html(&trace, "a shape"));
    }
}
