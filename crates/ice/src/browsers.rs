//! Checks and answers as Chromium 156 and Firefox 153 put them on the wire, against this agent: it must take what they
//! sent, and answer it with the very bytes that the other browser answered.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::credentials::Key;
use peerage_stun::header::Class;
use peerage_stun::message::Message;

use crate::agent::Agent;
use crate::attachment::{Attachments, Packet, Received};
use crate::config::{Config, Role};
use crate::credentials::Credentials;
use crate::event::Event;
use crate::generation::Generation;
use crate::local::LocalKind;
use crate::pair::Check;
use crate::stats::PairState;

/// A check, the answer it got, and who was who.
struct Exchange {
    from: &'static str,
    to: &'static str,
    sender: [&'static str; 2],
    receiver: [&'static str; 2],
    /// Role of the sender.
    role: Role,
    request: &'static str,
    response: &'static str,
}

const CHROMIUM: [&str; 2] = ["EusN", "92dGy8KT+Jn7I0qQoYgYqCpl"];
const CHROMIUM_OFFERER: [&str; 2] = ["rgqw", "Bsqjnkg4DsR4STjwIlYa4rbM"];
const FIREFOX: [&str; 2] = ["6f4366d8", "eb3f1bda51a47a98ef2b4c19e6f5e84c"];
const FIREFOX_OFFERER: [&str; 2] = ["68678928", "8a80ee7ec2f1ca710ccf4416b27ca75d"];

const EXCHANGES: [Exchange; 4] = [
    Exchange {
        from: "127.0.0.1:46700",
        to: "192.0.2.2:40034",
        sender: CHROMIUM,
        receiver: CHROMIUM_OFFERER,
        role: Role::Controlled,
        request: "0001004c2112a442396b5338374a59346637574d00060009726771773a4575734e000000c05700040003003280290008 \
         a593d80388c8ceb9002400046e7e1eff00080014667b6ad5bed5848ddcc1c8efbbabd25b2d3206d580280004157061a8",
        response: "0101002c2112a442396b5338374a59346637574d002000080001977e5e12a4430008001479cf686beab08911902f9133 \
         4d09dc1ebb52d17c8028000497d28ba8",
    },
    Exchange {
        from: "192.0.2.2:40034",
        to: "127.0.0.1:46700",
        sender: CHROMIUM_OFFERER,
        receiver: CHROMIUM,
        role: Role::Controlling,
        request: "000100502112a442562f374f4b4f66724e617a30000600094575734e3a72677177000000c057000400010000802a0008 \
         aa3f6e1447cff33800250000002400046e7c1eff00080014c041984102524bc955b3b208556e1a1db62177ac80280004 \
         14f820b6",
        response: "0101002c2112a442562f374f4b4f66724e617a30002000080001bd70e112a64000080014d3ebe64bca3f9b050d52c025 \
         0c940a04074cf84f802800045a6130b7",
    },
    Exchange {
        from: "[fd00::2]:53087",
        to: "[fd00::2]:42876",
        sender: FIREFOX,
        receiver: FIREFOX_OFFERER,
        role: Role::Controlled,
        request: "0001004c2112a4421f8c69882c10b5883803957f0006001136383637383932383a366634333636643800000000240004 \
         6e7f00ff802900084a2e8bdd2236031e00080014af06263d8d1ba271572bb76a69f894b01fb3ec65802800041dd64a99",
        response: "010100382112a4421f8c69882c10b5883803957f002000140002ee4ddc12a4421f8c69882c10b5883803957d00080014 \
         1bc2449cbbe8be6eca0b1d51664c0cc3dfd31fc3802800044580e56f",
    },
    Exchange {
        from: "[fd00::2]:42876",
        to: "[fd00::2]:53087",
        sender: FIREFOX_OFFERER,
        receiver: FIREFOX,
        role: Role::Controlling,
        request: "000100502112a44210ec414f0d37abbdc0bf02fc0006001136663433363664383a363836373839323800000000250000 \
         002400046e7f00ff802a000875500b19a4db6bc9000800140bc09805ef7c64aa18dd6009dfed72eb5119098880280004 \
         97194635",
        response: "010100382112a44210ec414f0d37abbdc0bf02fc002000140002866edc12a44210ec414f0d37abbdc0bf02fe00080014 \
         9c79a4ef4e3a17b89a0ae4b09f116a020f0926a380280004e86cb3d5",
    },
];

const NOW: Instant = Instant::from_millis(1_000);

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn credentials([ufrag, pwd]: [&str; 2]) -> Credentials {
    Credentials::new(ufrag, pwd).unwrap()
}

/// An agent that was given the credentials of a browser.
fn agent(role: Role, base: &str, local: [&str; 2]) -> Agent {
    let mut agent = Agent::new(Config::default(), role, Rng::from_u64(1), NOW);
    agent.current = Generation::new(0, credentials(local));
    agent.add_local(NOW, LocalId(0), base.parse().unwrap(), LocalKind::Host, u16::MAX);
    agent
}

fn deliver(agent: &mut Agent, remote: &str, bytes: &mut [u8]) {
    let path = Path { local: LocalId(0), remote: remote.parse().unwrap() };
    agent.handle_datagram(NOW, Datagram { path, ecn: Ecn::NotEct, received_at: NOW, payload: bytes });
}

fn transmits(agent: &mut Agent) -> Vec<Vec<u8>> {
    let mut buf = [0; 1200];
    let mut packets = Vec::new();
    loop {
        let mut slot = Slot::new(&mut buf, 0, 0, 1200);
        if agent.poll_transmit(NOW, &mut slot).is_none() {
            return packets;
        }
        packets.push(slot.packet().to_vec());
    }
}

#[test]
fn a_browsers_check_is_answered_as_the_other_browser_answered_it() {
    for exchange in EXCHANGES {
        let mut agent = agent(exchange.role.opposite(), exchange.to, exchange.receiver);
        agent.set_remote_credentials(NOW, credentials(exchange.sender)).unwrap();
        deliver(&mut agent, exchange.from, &mut unhex(exchange.request));
        let sent = transmits(&mut agent);
        assert_eq!(sent[0], unhex(exchange.response));
        // And it is checked back, with the sender's password.
        let check = Message::parse(&sent[1]).unwrap();
        assert_eq!(check.class(), Class::Request);
        assert_eq!(check.username(), Some(&*format!("{}:{}", exchange.sender[0], exchange.receiver[0])));
        assert!(check.check_integrity(&Key::short_term(exchange.sender[1])).is_some());
        let pair = agent.current.checklist.iter().next().unwrap();
        assert_eq!(pair.remote.priority, Message::parse(&unhex(exchange.request)).unwrap().priority().unwrap());
        assert_eq!(
            pair.to_nominate.is_some(),
            exchange.role == Role::Controlling,
            "controlling browsers nominate with the first check"
        );
        assert_eq!(agent.stats().total(), 0);
    }
}

#[test]
fn a_browsers_answer_makes_the_pair_valid() {
    for exchange in EXCHANGES {
        let mut agent = agent(exchange.role, exchange.from, exchange.sender);
        agent.set_remote_credentials(NOW, credentials(exchange.receiver)).unwrap();
        let request = unhex(exchange.request);
        let (ip, port) = exchange.to.rsplit_once(':').unwrap();
        let ip = ip.trim_matches(['[', ']']);
        let line = format!("candidate:1 1 udp 2122063615 {ip} {port} typ host ufrag {}", exchange.receiver[0]);
        agent.add_remote(NOW, line.parse().unwrap()).unwrap();
        let check = Check {
            id: Message::parse(&request).unwrap().transaction_id(),
            role: exchange.role,
            use_candidate: exchange.role == Role::Controlling,
            sent_at: NOW,
            sent: 1,
            attempts: 1,
            again: None,
            timeout: Duration::ZERO,
        };
        agent.current.checklist.iter_mut().next().unwrap().push_check(NOW, check);
        deliver(&mut agent, exchange.to, &mut unhex(exchange.response));
        let pair = agent.pairs().next().unwrap();
        assert_eq!(pair.state, PairState::Succeeded);
        assert_eq!(pair.local_address, exchange.from.parse().unwrap());
        assert_eq!(pair.nominated, exchange.role == Role::Controlling);
        let selected = core::iter::from_fn(|| agent.poll_event()).any(|event| matches!(event, Event::Selected(_)));
        assert!(selected);
        assert_eq!(agent.stats().total(), 0);
    }
}

/// Of two Chromiums with DTLS in STUN, the offerer; a DTLS server, so that it has nothing to carry at first.
const SPED_OFFERER: [&str; 2] = ["wk8P", "rWsEiSv8sRx/9SG1T0ikYN6j"];
const SPED_ANSWERER: [&str; 2] = ["EMLe", "12DhQafKZ1RMhTc9BRRoOKPl"];
const SPED_ENDS: [&str; 2] = ["127.0.0.1:38753", "192.0.2.2:49859"];

/// The check of the answerer with the first part of its ClientHello, the answer, the check back, the answer to that.
const SPED: [&[u8]; 4] = [
    include_bytes!("../tests/fixtures/chromium-sped-1.stun"),
    include_bytes!("../tests/fixtures/chromium-sped-2.stun"),
    include_bytes!("../tests/fixtures/chromium-sped-3.stun"),
    include_bytes!("../tests/fixtures/chromium-sped-4.stun"),
];

fn received(agent: &mut Agent) -> Vec<Received> {
    let events = core::iter::from_fn(|| agent.poll_event());
    events.filter_map(|event| if let Event::Attachment(received) = event { Some(received) } else { None }).collect()
}

/// The DTLS packet that a message carries.
fn carried(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Message::parse(bytes).unwrap().dtls_in_stun()?.as_bytes().to_vec())
}

#[test]
fn a_check_of_chromium_with_dtls_is_taken_and_answered_with_the_bytes_of_the_other_chromium() {
    let [answerer, offerer] = SPED_ENDS;
    let mut agent = agent(Role::Controlling, offerer, SPED_OFFERER);
    agent.set_remote_credentials(NOW, credentials(SPED_ANSWERER)).unwrap();
    agent.attach(Some(Attachments { unfinished: true, ..Attachments::default() }));
    let mut forged = SPED[0].to_vec();
    forged[200] ^= 1;
    deliver(&mut agent, answerer, &mut forged);
    assert_eq!((received(&mut agent), transmits(&mut agent)), (Vec::new(), Vec::new()), "it is not authentic");
    deliver(&mut agent, answerer, &mut SPED[0].to_vec());
    let packet = carried(SPED[0]).unwrap();
    assert_eq!(packet.len(), 900);
    let path = Path { local: LocalId(0), remote: answerer.parse().unwrap() };
    let expected = Received { path, acks: Some(Default::default()), packet: Some(packet) };
    assert_eq!(received(&mut agent), [expected]);
    // The owner acknowledges it; Chromium leaves the other attribute away when it has nothing to carry.
    agent.attach(Some(Attachments { acks: [0x0A14_C29B].into_iter().collect(), ..Attachments::default() }));
    assert_eq!(transmits(&mut agent)[0], SPED[1]);
}

#[test]
fn a_packet_is_carried_in_the_answer_as_chromium_carries_it() {
    let [answerer, offerer] = SPED_ENDS;
    let mut agent = agent(Role::Controlled, answerer, SPED_ANSWERER);
    agent.set_remote_credentials(NOW, credentials(SPED_OFFERER)).unwrap();
    let packet = Packet { tag: 2, bytes: carried(SPED[3]).unwrap() };
    agent.attach(Some(Attachments { packets: [packet].into(), unfinished: true, ..Attachments::default() }));
    deliver(&mut agent, offerer, &mut SPED[2].to_vec());
    let [heard] = &received(&mut agent)[..] else { panic!() };
    assert_eq!(heard.acks.as_deref(), Some(&[0x0A14_C29B][..]));
    assert_eq!(heard.packet, None);
    assert_eq!(transmits(&mut agent)[0], SPED[3]);
}

#[test]
fn answers_of_chromium_hand_over_what_they_carry() {
    for (ours, theirs, at, check, answer) in [
        (SPED_ANSWERER, SPED_OFFERER, SPED_ENDS, 0, 1),
        (SPED_OFFERER, SPED_ANSWERER, [SPED_ENDS[1], SPED_ENDS[0]], 2, 3),
    ] {
        let mut agent = agent(Role::Controlling, at[0], ours);
        agent.attach(Some(Attachments::default()));
        agent.set_remote_credentials(NOW, credentials(theirs)).unwrap();
        let (ip, port) = at[1].split_once(':').unwrap();
        let line = format!("candidate:1 1 udp 2122063615 {ip} {port} typ host");
        agent.add_remote(NOW, line.parse().unwrap()).unwrap();
        transmits(&mut agent);
        let check = Check {
            id: Message::parse(SPED[check]).unwrap().transaction_id(),
            role: Role::Controlling,
            use_candidate: false,
            sent_at: NOW,
            sent: 1,
            attempts: 1,
            again: None,
            timeout: Duration::ZERO,
        };
        agent.current.checklist.iter_mut().next().unwrap().push_check(NOW, check);
        deliver(&mut agent, at[1], &mut SPED[answer].to_vec());
        let [heard] = &received(&mut agent)[..] else { panic!() };
        assert_eq!(heard.packet, carried(SPED[answer]));
        assert_eq!(heard.acks.as_ref().map(|acks| acks.len()), Some(usize::from(answer == 1)));
        assert_eq!(agent.pairs().next().unwrap().state, PairState::Succeeded);
    }
}
