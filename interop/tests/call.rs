//! Calls between the library and a browser, both roles, both kinds, both ways.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use peerage::configuration::MediaConfig;
use peerage::{Configuration, Direction, Endpoint, Event, MediaKind, PeerConnection, RtpTransceiverInit, Settings};
use peerage_codecs::encoded::VideoCodec;
use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::call::{self, OURS, Recognised};
use peerage_interop::pair::{Offerer, description, give_candidate, set_remote, take_candidates, words};
use peerage_interop::{expect, page};

/// The pitch of Firefox's fake microphone: [`call::THEIRS`].
const PITCH: (&str, &str) = ("media.navigator.audio.fake_frequency", "1000");
/// What either side has to recognise.
const PICTURES: u32 = 60;
const TONES: u32 = 10;

/// What is offered and answered of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Formats {
    /// One codec, and nothing beside it.
    Alone,
    /// All that there is, with what protects it.
    All,
    /// The same, and the browser protects by streams of their own (FlexFEC), which it does on trial.
    Protected,
}

/// How Chromium is told to send and to take FlexFEC.
const FLEXFEC: &str = "WebRTC-FlexFEC-03/Enabled/WebRTC-FlexFEC-03-Advertised/Enabled/";

/// A call, and what was recognised on both ends of it.
async fn call(kind: Kind, offerer: Offerer, codec: VideoCodec, formats: Formats) -> Result<()> {
    let trials = if formats == Formats::Protected { FLEXFEC } else { "" };
    let options = Options { fake_media: true, preferences: &[PITCH], trials, ..Options::default() };
    let mut browser = Browser::start_with(kind, options).await?;
    browser.open(&page::blank().await?).await?;
    browser.run(&format!("(() => {{ {} {} }})()", page::SCRIPT, call::SCRIPT)).await?;
    browser.run("start() && receive()").await?;
    let endpoint = Endpoint::new(Settings::default()).map_err(words)?;
    let pc = endpoint.peer_connection(Configuration::default()).map_err(words)?;
    let local = "pc.setLocalDescription().then(() => pc.localDescription.toJSON())";
    let send = format!(
        "(async () => {{ for (const t of [film(640, 360), await sing({})]) pc.addTrack(t); return true }})()",
        call::THEIRS
    );
    let prefer = |pc: &PeerConnection| {
        let alone = pc.transceivers().into_iter().filter(|_| formats == Formats::Alone);
        for transceiver in alone.filter(|t| t.kind() == Some(MediaKind::Video)) {
            let all = MediaConfig::default().video;
            let wanted: Vec<_> = all.into_iter().filter(|c| c.name.eq_ignore_ascii_case(codec.name())).collect();
            transceiver.set_codec_preferences(&wanted).map_err(words)?;
        }
        Ok::<_, String>(())
    };
    match offerer {
        Offerer::Native => {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                pc.add_transceiver(kind, RtpTransceiverInit::default()).map_err(words)?;
            }
            prefer(&pc)?;
            let offer = pc.create_offer().await.map_err(words)?;
            pc.set_local_description(offer.clone()).await.map_err(words)?;
            set_remote(&mut browser, &offer).await?;
            browser.run(&send).await?;
            let answer = description(&browser.run(local).await?)?;
            pc.set_remote_description(answer).await.map_err(words)?;
        }
        Offerer::Browser => {
            browser.run(&send).await?;
            let offer = description(&browser.run(local).await?)?;
            pc.set_remote_description(offer).await.map_err(words)?;
            for transceiver in pc.transceivers() {
                transceiver.set_direction(Direction::SendRecv).map_err(words)?;
            }
            prefer(&pc)?;
            let answer = pc.create_answer().await.map_err(words)?;
            pc.set_local_description(answer.clone()).await.map_err(words)?;
            set_remote(&mut browser, &answer).await?;
        }
    }
    let agreed = |description: Option<peerage::SessionDescription>, words: &str| {
        description.is_some_and(|description| description.sdp.contains(words))
    };
    for words in ["flexfec-03/90000", "a=ssrc-group:FEC-FR "] {
        let both = agreed(pc.local_description(), words) && agreed(pc.remote_description(), words);
        if formats == Formats::Protected && !both {
            return Err(format!("{words} is not in both descriptions"));
        }
    }
    let seen = Arc::new(Recognised::default());
    let carried = carry(&mut browser, &pc, codec, &seen);
    tokio::time::timeout(LIMIT, carried)
        .await
        .map_err(|_| format!("not within {LIMIT:?}: {seen:?}, {}", pc.explain()))??;
    let broken = seen.broken.load(Ordering::Relaxed) + seen.unread.load(Ordering::Relaxed);
    if broken > 3 {
        return Err(format!("frames that say nothing: {seen:?}"));
    }
    pc.close().await;
    Ok(())
}

/// Sends, receives and carries candidates until both ends have recognised enough.
async fn carry(browser: &mut Browser, pc: &PeerConnection, codec: VideoCodec, seen: &Arc<Recognised>) -> Result<()> {
    for transceiver in pc.transceivers() {
        match transceiver.kind() {
            Some(MediaKind::Video) => tokio::spawn(call::film(transceiver.sender(), codec)),
            _ => tokio::spawn(call::sing(transceiver.sender())),
        };
    }
    let mut taken = 0;
    loop {
        take_candidates(browser, pc, &mut taken).await?;
        match tokio::time::timeout(Duration::from_millis(100), pc.next_event()).await {
            Ok(Some(Event::IceCandidate(candidate))) => give_candidate(browser, candidate).await?,
            Ok(Some(Event::Track { receiver, transceiver, .. })) => match transceiver.kind() {
                Some(MediaKind::Video) => drop(tokio::spawn(call::watch(receiver, codec, seen.clone()))),
                _ => drop(tokio::spawn(call::listen(receiver, seen.clone()))),
            },
            Ok(Some(Event::Closed(reason))) => return Err(format!("closed: {reason}")),
            Ok(None) => return Err("closed without a reason".into()),
            _ => {}
        }
        let ours = seen.pictures.load(Ordering::Relaxed) >= PICTURES && seen.tones.load(Ordering::Relaxed) >= TONES;
        let asked =
            format!("(async () => [numbers.size, (await inbound('video')).framesDecoded ?? 0, await hears({OURS})])()");
        let theirs = browser.run(&asked).await?;
        let (numbers, decoded, heard) = (theirs[0].as_u64(), theirs[1].as_u64(), theirs[2] == true);
        if ours && numbers >= Some(PICTURES.into()) && heard && decoded >= Some(PICTURES.into()) {
            return Ok(());
        }
    }
}

async fn both_roles(kind: Kind, codec: VideoCodec) {
    for offerer in [Offerer::Native, Offerer::Browser] {
        let outcome = call(kind, offerer, codec, Formats::Alone).await;
        expect::judge(&format!("call/{kind:?}/{offerer:?}/{codec:?}"), outcome);
    }
}

async fn with(kind: Kind, formats: Formats) {
    for offerer in [Offerer::Native, Offerer::Browser] {
        let outcome = call(kind, offerer, VideoCodec::Vp8, formats).await;
        expect::judge(&format!("call/{kind:?}/{offerer:?}/{formats:?}"), outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_takes_all_that_is_offered_by_default() {
    with(Kind::Chromium, Formats::All).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_takes_all_that_is_offered_by_default() {
    with(Kind::Firefox, Formats::All).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_on_trial_protects_by_streams_of_their_own() {
    with(Kind::Chromium, Formats::Protected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_and_the_library_see_and_hear_each_other() {
    both_roles(Kind::Chromium, VideoCodec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_and_the_library_see_and_hear_each_other() {
    both_roles(Kind::Firefox, VideoCodec::Vp8).await;
}
