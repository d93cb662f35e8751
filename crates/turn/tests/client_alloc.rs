//! What goes to and from peers costs no allocation.

use std::net::SocketAddr;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;
use peerage_turn::client::config::Config;
use peerage_turn::client::event::Wrapped;
use peerage_turn::client::{Client, MAX_HEAD, MAX_TAIL};

/// A client with an allocation at a server that wants no credentials, a channel to the one peer, a permission for the
/// other.
fn client(now: Instant, bound: SocketAddr, permitted: SocketAddr) -> Client {
    let server = SocketAddr::from(([192, 0, 2, 1], 3478));
    let mut client = Client::new(Config::default(), server, Rng::from_u64(1), now);
    client.bind(now, bound);
    client.permit(now, permitted);
    let mut buf = [0; 1500];
    loop {
        let mut slot = Slot::new(&mut buf, 0, 0, 1500);
        if !client.poll_transmit(now, &mut slot) {
            break;
        }
        let request = Message::parse(slot.packet()).unwrap();
        let mut answer = [0; 100];
        let mut writer = Writer::new(&mut answer, Class::Success, request.method(), request.transaction_id());
        if request.method() == Method::ALLOCATE {
            let relayed = SocketAddr::from(([203, 0, 113, 1], 50000));
            writer.attribute(&Attribute::XorRelayedAddress(relayed)).unwrap();
            writer.attribute(&Attribute::XorMappedAddress(relayed)).unwrap();
            writer.attribute(&Attribute::Lifetime(600)).unwrap();
        }
        let len = writer.finish();
        client.handle_datagram(now, &mut answer[..len]);
    }
    while client.poll_event().is_some() {}
    client
}

fn data_from(peer: SocketAddr) -> Vec<u8> {
    let mut buf = [0; 1300];
    let mut writer = Writer::new(&mut buf, Class::Indication, Method::DATA, TransactionId([5; 12]));
    writer.attribute(&Attribute::XorPeerAddress(peer)).unwrap().attribute(&Attribute::Data(&[7; 1200])).unwrap();
    let len = writer.finish();
    buf[..len].to_vec()
}

#[test]
fn data_is_wrapped_and_unwrapped_without_allocation() {
    let mut now = Instant::from_millis(1);
    let (bound, permitted) = (SocketAddr::from(([192, 0, 2, 7], 7)), SocketAddr::from(([192, 0, 2, 8], 8)));
    let mut client = client(now, bound, permitted);
    assert!(client.is_bound(now, bound) && client.is_permitted(now, permitted));
    let mut indication = data_from(permitted);
    let mut channel_data = [0x40, 0, 0x04, 0xB0].to_vec();
    channel_data.extend([7; 1200]);
    let mut buf = [0; 1500];
    let mut round = |client: &mut Client| {
        now += Duration::from_millis(1);
        // As an owner does who names the peer with every packet.
        client.bind(now, bound);
        client.permit(now, permitted);
        for peer in [bound, permitted] {
            let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, 1200);
            slot.fill(1200);
            assert_eq!(client.wrap(now, peer, &mut slot), Wrapped::Ready);
        }
        assert_eq!(client.handle_datagram(now, &mut channel_data).unwrap().range.len(), 1200);
        assert_eq!(client.handle_datagram(now, &mut indication).unwrap().range.len(), 1200);
        client.handle_timeout(now);
        let mut slot = Slot::new(&mut buf, MAX_HEAD, MAX_TAIL, 1200);
        assert!(!client.poll_transmit(now, &mut slot));
        assert!(client.poll_timeout().is_some());
    };
    round(&mut client);
    let info = allocation_counter::measure(|| (0..1000).for_each(|_| round(&mut client)));
    assert_eq!(info.count_total, 0);
    assert_eq!((client.counters().wrapped, client.counters().received), (2002, 2002));
}
