//! Peerage: two endpoints, one connection, one channel.

use std::error::Error;
use std::time::Instant;

use bench::meter::Meter;
use bench::options::Stack;
use bench::pattern::Pattern;
use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, Event, Message, PeerConnection, Settings};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Outcome<()> {
    let stack = Stack::from_command_line();
    let pattern = Pattern::new(stack.message);
    let begun = Instant::now();
    // Both connections live until the end: the last handle that is dropped closes them.
    let (near, far) = (connection()?, connection()?);
    let (sender, receiver) = connect(&near, &far).await?;
    let connect = begun.elapsed();
    let meter = Meter::start();
    let sent = tokio::spawn({
        let pattern = pattern.clone();
        async move {
            for number in 0..stack.messages() {
                sender.send(pattern.message(number)).await?;
            }
            Ok::<DataChannel, peerage::Error>(sender)
        }
    });
    for number in 0..stack.messages() {
        let Some(Message::Binary(message)) = receiver.recv().await else {
            return Err(format!("the channel ended at message {number}").into());
        };
        pattern.check(number, &message)?;
    }
    let figures = meter.stop(stack.bytes(), connect);
    drop(sent.await??);
    println!("{}", figures.to_json());
    Ok(())
}

fn connection() -> Outcome<PeerConnection> {
    let mut settings = Settings::default();
    settings.addresses = vec!["127.0.0.1".parse()?];
    Ok(Endpoint::new(settings)?.peer_connection(Configuration::default())?)
}

async fn connect(near: &PeerConnection, far: &PeerConnection) -> Outcome<(DataChannel, DataChannel)> {
    let sender = near.create_data_channel("data", DataChannelInit::default())?;
    near.set_local_description(near.create_offer().await?).await?;
    near.gathering_complete().await;
    far.set_remote_description(near.local_description().ok_or("there is no offer")?).await?;
    far.set_local_description(far.create_answer().await?).await?;
    far.gathering_complete().await;
    near.set_remote_description(far.local_description().ok_or("there is no answer")?).await?;
    while let Some(event) = far.next_event().await {
        if let Event::DataChannel(receiver) = event {
            sender.opened().await?;
            return Ok((sender, receiver));
        }
    }
    Err("the connection ended before there was a channel".into())
}
