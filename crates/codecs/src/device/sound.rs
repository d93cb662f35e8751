//! What microphones and speakers have in common.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{BufferSize, Device, ErrorKind, SampleFormat, StreamConfig, SupportedStreamConfig};
use tracing::debug;

use crate::audio::{Channels, RATE};
use crate::error::DeviceError;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Microphones.
    Input,
    /// Speakers.
    Output,
}

impl Direction {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Input => "microphone",
            Self::Output => "speaker",
        }
    }

    const fn instead(self) -> &'static str {
        match self {
            Self::Input => "send a file or the test tone",
            Self::Output => "record to a file",
        }
    }
}

/// The names of all devices of a kind, the system's choice first.
pub fn names(direction: Direction) -> Vec<String> {
    let mut names: Vec<String> = devices(direction).iter().map(name).collect();
    if let Some(first) = default(direction).map(|device| name(&device))
        && let Some(at) = names.iter().position(|name| *name == first)
    {
        names[..=at].rotate_right(1);
    }
    names
}

/// The device of a name, or the system's choice.
pub(super) fn find(direction: Direction, wanted: Option<&str>) -> Result<Device, DeviceError> {
    let kind = direction.name();
    let found = devices(direction);
    match wanted {
        None => {
            // A choice of the system's that it does not list is a name without a device behind it.
            let first = found.into_iter().next();
            first
                .map(|first| default(direction).unwrap_or(first))
                .ok_or(DeviceError::None { kind, instead: direction.instead() })
        }
        Some(wanted) => {
            let (mut matching, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|device| name(device) == wanted);
            if matching.is_empty() {
                let found = others.iter().map(name).collect();
                return Err(DeviceError::Unknown { kind, name: wanted.to_owned(), found });
            }
            Ok(matching.swap_remove(0))
        }
    }
}

/// How a device is to be opened: as near to what this crate has as it can.
pub(super) fn config(direction: Direction, device: &Device) -> Result<(SampleFormat, StreamConfig), DeviceError> {
    let usual = match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    };
    let usual = usual.map_err(|error| failure(direction, device, &error))?;
    let chosen = at_our_rate(direction, device, usual);
    let config = StreamConfig { buffer_size: BufferSize::Default, ..chosen.config() };
    debug!(device = name(device), rate = config.sample_rate, channels = config.channels, "sound device opens");
    Ok((chosen.sample_format(), config))
}

/// The device's usual settings at 48 kHz, if it has that: no resampling then.
fn at_our_rate(direction: Direction, device: &Device, usual: SupportedStreamConfig) -> SupportedStreamConfig {
    let alike = |range: cpal::SupportedStreamConfigRange| {
        let same = range.channels() == usual.channels() && range.sample_format() == usual.sample_format();
        same.then(|| range.try_with_sample_rate(RATE)).flatten()
    };
    let found = match direction {
        Direction::Input => device.supported_input_configs().ok().and_then(|mut all| all.find_map(alike)),
        Direction::Output => device.supported_output_configs().ok().and_then(|mut all| all.find_map(alike)),
    };
    found.unwrap_or(usual)
}

pub(super) fn failure(direction: Direction, device: &Device, error: &cpal::Error) -> DeviceError {
    DeviceError::Failed { kind: direction.name(), name: name(device), reason: explain(error) }
}

/// What the system said, and what to do.
pub(super) fn explain(error: &cpal::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::DeviceBusy => "; close the program that uses it",
        ErrorKind::DeviceNotAvailable => "; plug it in again or choose another",
        ErrorKind::PermissionDenied => "; allow its use (on Linux: be in the group audio)",
        ErrorKind::HostUnavailable => "; start the system's sound service",
        _ => "; choose another",
    };
    format!("{}{advice}", error.to_string().trim_end_matches('.'))
}

pub(super) fn name(device: &Device) -> String {
    match (device.description(), device.id()) {
        (Ok(description), _) => description.name().to_owned(),
        (Err(_), Ok(id)) => id.to_string(),
        (Err(_), Err(_)) => "without a name".to_owned(),
    }
}

pub(super) fn of_count(channels: u16) -> Channels {
    if channels == 1 { Channels::Mono } else { Channels::Stereo }
}

fn devices(direction: Direction) -> Vec<Device> {
    let host = cpal::default_host();
    let found = match direction {
        Direction::Input => host.input_devices().map(Iterator::collect),
        Direction::Output => host.output_devices().map(Iterator::collect),
    };
    found.unwrap_or_else(|error| {
        debug!(%error, "the system does not list its sound devices");
        Vec::new()
    })
}

fn default(direction: Direction) -> Option<Device> {
    let host = cpal::default_host();
    match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}
