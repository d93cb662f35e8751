//! Writing an offer (RFC 9429 §5.2).

use alloc::format;
use alloc::vec::Vec;

use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;

use crate::config::Config;
use crate::error::Error;
use crate::facts::DataForm;
use crate::local::Credentials;
use crate::write;

/// What both sides agreed about one section, or about its refusal. Sections never go away and never change places.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Option<Mid>,
    pub(crate) media: alloc::string::String,
    pub(crate) protocol: alloc::string::String,
    pub(crate) format: Option<alloc::string::String>,
    pub(crate) rtpmap: Option<alloc::string::String>,
    /// The form of a live data section; `None` for a section that is refused.
    pub(crate) live: Option<DataForm>,
}

/// The plan of an offer, apart from its version and credentials.
pub(crate) struct Outline<'a> {
    pub(crate) config: &'a Config,
    pub(crate) slots: &'a [Slot],
    /// Whether to add a data section if none is live.
    pub(crate) data: bool,
    /// The first number that no section has had for its name.
    pub(crate) next_mid: u64,
}

impl Outline<'_> {
    /// The offer under this version of the `o=` line.
    pub(crate) fn write(&self, local: &Credentials, version: u64) -> Result<Description, Error> {
        let live = self.slots.iter().position(|s| s.live.is_some());
        // A refused section makes room for a new one under a new name (RFC 9429 §5.2.2).
        let target = match live {
            None if self.data => Some(self.slots.iter().position(|s| s.live.is_none()).unwrap_or(self.slots.len())),
            _ => None,
        };
        let new_mid = self.new_mid();
        let bundled: Option<Mid> = match (live, target) {
            (Some(index), _) => self.slots[index].mid.clone(),
            (None, Some(_)) => Some(new_mid.clone()),
            (None, None) => None,
        };
        let group = bundled.map(|mid| Vec::from([mid]));
        let mut description = write::session(self.config, version, group)?;
        let count = self.slots.len().max(target.map_or(0, |t| t + 1));
        for index in 0..count {
            let media = match self.slots.get(index) {
                _ if target == Some(index) => {
                    let form = DataForm::Current;
                    write::data(self.config, local, "UDP/DTLS/SCTP", form, Some(&new_mid), Setup::Actpass)
                }
                Some(Slot { live: Some(form), mid, protocol, .. }) => {
                    write::data(self.config, local, protocol, *form, mid.as_ref(), Setup::Actpass)
                }
                Some(slot) => {
                    let (format, rtpmap) = (slot.format.as_deref(), slot.rtpmap.as_deref());
                    write::rejected(&slot.media, &slot.protocol, format, rtpmap, slot.mid.as_ref())
                }
                None => continue,
            };
            description.media.push(media);
        }
        Ok(description)
    }

    fn new_mid(&self) -> Mid {
        Mid::new(&format!("{}", self.next_mid)).expect("digits are a token")
    }
}
