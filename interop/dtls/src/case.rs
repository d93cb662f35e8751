//! One conversation: a handshake, what both sides say of it, data both ways, a goodbye.

use peerage_base::time::Duration;
use peerage_dtls::suite::{Alpn, CipherSuite, Group, SrtpProfile, Version};
use peerage_dtls::{CloseReason, Config, Info};

use crate::foreign::{CONTEXT, End, Facts, Foreign, LABEL};
use crate::network::{Network, Weather};
use crate::ours;

/// What must come out. `None` is what does not matter here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The protocol version.
    pub version: Option<Version>,
    /// The cipher suite.
    pub suite: Option<CipherSuite>,
    /// The group of the key exchange.
    pub group: Option<Group>,
    /// The SRTP profile, or none.
    pub srtp: Option<Option<SrtpProfile>>,
    /// The application protocol, or none.
    pub alpn: Option<Option<Alpn>>,
}

/// Who says goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// This side.
    Ours,
    /// The other.
    Theirs,
}

/// One conversation.
pub struct Case {
    /// This side.
    pub ours: Config,
    /// The other.
    pub theirs: Box<dyn Foreign>,
    /// What must come out.
    pub wanted: Wanted,
    /// During the handshake; it clears up afterwards.
    pub weather: Weather,
    /// Of the weather and of this side.
    pub seed: u64,
    /// Who ends it.
    pub parting: Parting,
    /// How often the other side changes keys in the middle, and whether this side must as well.
    pub updates: Option<(usize, bool)>,
}

impl Case {
    /// Fair weather, and nothing special.
    pub fn new(ours: Config, theirs: Box<dyn Foreign>, wanted: Wanted, parting: Parting) -> Self {
        Self { ours, theirs, wanted, weather: Weather::default(), seed: 1, parting, updates: None }
    }

    /// Runs it; answers the lengths of the longest handshake datagrams, this side's first.
    ///
    /// # Errors
    /// Anything is not as it must be; says what.
    pub fn run(self) -> Result<[usize; 2], String> {
        let mut network = Network::new(self.ours, self.theirs, self.weather, self.seed);
        network.until("the handshake", |n| {
            let over = n.ours.closed.is_some() || n.theirs.end().is_some();
            over || n.ours.info.is_some() && n.theirs.facts().is_some()
        })?;
        if network.ours.closed.is_some() || network.theirs.end().is_some() {
            // Whoever ended it says so to the other.
            network.settle()?;
            return Err(format!("this side: {:?}, the other: {:?}", network.ours.closed, network.theirs.end()));
        }
        let longest = network.longest();
        network.weather = Weather::default();
        compare(&mut network, &self.wanted)?;
        talk(&mut network)?;
        if let Some((times, both)) = self.updates {
            update_keys(&mut network, times, both)?;
        }
        part(&mut network, self.parting)?;
        Ok(longest)
    }
}

fn compare(network: &mut Network, wanted: &Wanted) -> Result<(), String> {
    let facts = network.theirs.facts().ok_or("the other side is not connected")?;
    let info = network.ours.info.clone().ok_or("this side is not connected")?;
    expected(&info, wanted)?;
    told(&info, &facts)?;
    if let Some(theirs) = facts.exported {
        let mut ours = [0; 32];
        network.ours.dtls.export(LABEL, Some(CONTEXT), &mut ours).map_err(|e| e.to_string())?;
        same("exported", &ours, &theirs)?;
    }
    Ok(())
}

fn expected(info: &Info, wanted: &Wanted) -> Result<(), String> {
    wanted.version.map_or(Ok(()), |w| same("version", &info.version, &w))?;
    wanted.suite.map_or(Ok(()), |w| same("suite", &info.cipher_suite, &w))?;
    wanted.group.map_or(Ok(()), |w| same("group", &info.group, &Some(w)))?;
    wanted.srtp.map_or(Ok(()), |w| same("SRTP profile", &info.srtp.as_ref().map(|s| s.profile), &w))?;
    wanted.alpn.map_or(Ok(()), |w| same("application protocol", &info.alpn, &w))
}

/// Whether both sides say the same, as far as the other says anything.
///
/// # Errors
/// What differs.
pub fn told(info: &Info, facts: &Facts) -> Result<(), String> {
    facts.version.map_or(Ok(()), |theirs| same("version", &info.version, &theirs))?;
    facts.suite.map_or(Ok(()), |theirs| same("suite", &info.cipher_suite, &theirs))?;
    facts.group.map_or(Ok(()), |theirs| same("group", &info.group, &Some(theirs)))?;
    if let Some(theirs) = &facts.srtp {
        let parts = |keys: &peerage_dtls::suite::SrtpKeys| (keys.profile, keys.material.to_vec());
        same("keys for SRTP", &info.srtp.as_ref().map(parts), &theirs.as_ref().map(parts))?;
    }
    if let Some(theirs) = &facts.alpn {
        same("application protocol", &info.alpn.map(|alpn| alpn.id().to_vec()), theirs)?;
    }
    facts.certificate.as_deref().map_or(Ok(()), |shown| same("certificate", &ours::certificate(), &shown))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours:?} here, {theirs:?} there")) }
}

/// Records of several lengths both ways, each once and whole.
fn talk(network: &mut Network) -> Result<(), String> {
    for len in [1, 64, 1200, network.theirs.max_record()] {
        let data: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
        let (here, there) = (network.ours.received.len(), network.theirs.received().len());
        let datagram = network.ours.seal(&data).map_err(|e| e.to_string())?;
        network.send(datagram);
        network.theirs.send(network.now, &data)?;
        network
            .until(&format!("{len} bytes"), |n| n.ours.received.len() > here && n.theirs.received().len() > there)?;
        network.settle()?;
        if network.ours.received.get(here..) != Some(std::slice::from_ref(&data)) {
            return Err(format!("{len} bytes arrived here otherwise than they were sent"));
        }
        if network.theirs.received().get(there..) != Some(std::slice::from_ref(&data)) {
            return Err(format!("{len} bytes arrived there otherwise than they were sent"));
        }
    }
    Ok(())
}

/// Every update takes effect before the next one, in the other side's own count.
fn update_keys(network: &mut Network, times: usize, both: bool) -> Result<(), String> {
    let before = network.theirs.epochs().ok_or("the other side does not count its keys")?;
    for _ in 0..times {
        network.theirs.update_keys(network.now, both)?;
        talk(network)?;
        // As long as ours waits to be acknowledged, it answers all requests at once, and BoringSSL is in no hurry.
        network.pause(Duration::from_secs(1))?;
    }
    let [read, write] = before.map(usize::from);
    let wanted = [if both { read + times } else { read }, write + times];
    same("epochs", &network.theirs.epochs().map(|after| after.map(usize::from)), &Some(wanted))
}

fn part(network: &mut Network, parting: Parting) -> Result<(), String> {
    match parting {
        Parting::Ours => {
            network.ours.dtls.close(network.now);
            network.until("our goodbye", |n| n.theirs.end().is_some())?;
            same("the end", &network.theirs.end(), &Some(End::CloseNotify))
        }
        Parting::Theirs => {
            network.theirs.close(network.now)?;
            network.until("their goodbye", |n| n.ours.closed.is_some())?;
            same("the end", &network.ours.closed, &Some(CloseReason::CloseNotify))
        }
    }
}
