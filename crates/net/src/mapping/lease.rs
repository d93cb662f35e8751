//! One mapping at a router, whatever protocol it was made by.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    GATEWAY_PORT, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp, pcp,
};
use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};

use super::{Config, Found, Transport, Via};
use crate::route;

/// Requests to one router, over one protocol, before it counts as silent. Each waits twice as long as the one before.
const TRIES: u32 = 3;

/// Why a mapping was not renewed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
    #[error("PCP or NAT-PMP: {0}")]
    Small(#[from] crab_nat::MappingFailure),
    #[error("UPnP: {0}")]
    Upnp(String),
    #[error("not answered in time")]
    TimedOut,
}

/// A mapping.
#[derive(Debug)]
pub(super) struct Lease {
    internal: SocketAddr,
    external: Option<SocketAddr>,
    granted: Duration,
    patience: Duration,
    at: At,
}

#[derive(Debug)]
enum At {
    /// PCP or NAT-PMP.
    Small(Box<PortMapping>),
    Upnp {
        gateway: Box<Gateway<Tokio>>,
        transport: Transport,
        port: u16,
    },
}

impl Lease {
    /// Asks the router for a mapping of `port`, by the best protocol that it speaks.
    pub(super) async fn make(config: &Config, transport: Transport, port: u16) -> Option<Self> {
        let port = NonZeroU16::new(port)?;
        // All are asked at once, so that what is not there costs no time; only the best of what is there then maps.
        let (small, upnp) = tokio::join!(Self::make_small(config, transport, port), search(config));
        match small {
            Some(lease) => Some(lease),
            None => Self::make_upnp(config, upnp?, transport, port.get()).await,
        }
    }

    async fn make_small(config: &Config, transport: Transport, port: NonZeroU16) -> Option<Self> {
        let (gateway, client) = router(config)?;
        let options = options(config, Some(port));
        let protocol = protocol(transport);
        let told = async { natpmp::external_address(gateway.into(), options.timeout_config).await.ok() };
        let base = pcp::BaseMapRequest::new(gateway.into(), client, protocol, port);
        let (made, told) = tokio::join!(pcp::port_mapping(base, None, None, options), told);
        let mapping = match made {
            Ok(mapping) => mapping,
            Err(error) => {
                tracing::debug!(%error, "no PCP");
                told?;
                natpmp::port_mapping(gateway.into(), protocol, port, options)
                    .await
                    .inspect_err(|error| tracing::debug!(%error, "no NAT-PMP"))
                    .ok()?
            }
        };
        let internal = (client, port.get()).into();
        let at = At::Small(Box::new(mapping));
        let mut lease = Self { internal, external: None, granted: Duration::ZERO, patience: config.patience, at };
        lease.small_renewed(told);
        Some(lease)
    }

    async fn make_upnp(config: &Config, gateway: Gateway<Tokio>, transport: Transport, port: u16) -> Option<Self> {
        let internal: SocketAddr = (route::address_towards(gateway.addr).ok()?, port).into();
        let at = At::Upnp { gateway: Box::new(gateway), transport, port };
        let mut lease = Self { internal, external: None, granted: Duration::ZERO, patience: config.patience, at };
        let made = lease.renew(config).await;
        made.inspect_err(|error| tracing::debug!(%error, "no port of the router")).ok()?;
        Some(lease)
    }

    /// Asks for more time.
    pub(super) async fn renew(&mut self, config: &Config) -> Result<bool, LeaseError> {
        match &mut self.at {
            At::Small(_) => self.renew_small().await?,
            At::Upnp { gateway, transport, port } => {
                let protocol = upnp_protocol(*transport);
                let lease = u32::try_from(config.lease.as_secs()).unwrap_or(u32::MAX);
                let asked = add_upnp(gateway, protocol, *port, self.internal, lease, &config.description);
                let (port_now, granted) = within(2 * self.patience, asked).await??;
                *port = port_now;
                self.granted = granted;
                self.check().await?;
            }
        }
        Ok(true)
    }

    /// Looks whether the external address is another one. `true`: the lease counts from now on again.
    pub(super) async fn check(&mut self) -> Result<bool, LeaseError> {
        match &mut self.at {
            // One request tells everything here, and a router that has started anew maps again.
            At::Small(_) => self.renew_small().await.map(|()| true),
            At::Upnp { gateway, port, .. } => {
                let asked = within(self.patience, gateway.get_external_ip()).await?;
                let ip = asked.map_err(|error| LeaseError::Upnp(error.to_string()))?;
                self.external = Some((ip, *port).into());
                Ok(false)
            }
        }
    }

    /// Takes the mapping away. That it fails is of no interest: it ends by itself.
    pub(super) async fn remove(self) {
        match self.at {
            At::Small(mapping) => {
                if let Err((error, _)) = mapping.try_drop().await {
                    tracing::debug!(%error, "a port mapping is left to end by itself");
                }
            }
            At::Upnp { gateway, transport, port } => {
                let removed = within(self.patience, gateway.remove_port(upnp_protocol(transport), port)).await;
                if !matches!(removed, Ok(Ok(()))) {
                    tracing::debug!("a port mapping is left to end by itself");
                }
            }
        }
    }

    pub(super) fn internal(&self) -> SocketAddr {
        self.internal
    }

    pub(super) fn external(&self) -> Option<SocketAddr> {
        self.external
    }

    /// How long the router keeps it.
    pub(super) fn granted(&self) -> Duration {
        self.granted
    }

    pub(super) fn via(&self) -> Via {
        match &self.at {
            At::Small(mapping) => small_via(mapping),
            At::Upnp { .. } => Via::Upnp,
        }
    }

    async fn renew_small(&mut self) -> Result<(), LeaseError> {
        let At::Small(mapping) = &mut self.at else { return Ok(()) };
        mapping.renew().await?;
        let told = match mapping.mapping_type() {
            PortMappingType::NatPmp => {
                natpmp::external_address(mapping.gateway(), Some(mapping.timeout_config)).await.ok()
            }
            PortMappingType::Pcp { .. } => None,
        };
        self.small_renewed(told);
        Ok(())
    }

    /// Takes over what a router answered. `told` is what it says of its address where the mapping does not tell.
    fn small_renewed(&mut self, told: Option<Ipv4Addr>) {
        let At::Small(mapping) = &self.at else { return };
        self.granted = Duration::from_secs(mapping.lifetime().into());
        let ip = match mapping.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => Some(external_ip),
            // Not told this time: it is what it was.
            PortMappingType::NatPmp => told.map(IpAddr::V4).or(self.external.map(|external| external.ip())),
        };
        self.external = ip.map(|ip| (ip.to_canonical(), mapping.external_port().get()).into());
    }
}

/// What the router speaks.
pub(super) async fn discover(config: &Config, spare: u16) -> Vec<Found> {
    let small = async {
        let mut found = Vec::new();
        let (Some((gateway, client)), Some(port)) = (router(config), NonZeroU16::new(spare)) else { return found };
        let mut options = options(config, None);
        options.lifetime_seconds = Some(10);
        let base = pcp::BaseMapRequest::new(gateway.into(), client, InternetProtocol::Udp, port);
        let told = natpmp::external_address(gateway.into(), options.timeout_config);
        let (made, told) = tokio::join!(pcp::port_mapping(base, None, None, options), told);
        match made {
            Ok(mapping) => {
                let external = match mapping.mapping_type() {
                    PortMappingType::Pcp { external_ip, .. } => Some(external_ip.to_canonical()),
                    PortMappingType::NatPmp => None,
                };
                let _ = mapping.try_drop().await;
                found.push(Found { via: Via::Pcp, external });
            }
            // Who refuses speaks it nonetheless.
            Err(pcp::Failure::Socket(_) | pcp::Failure::Timeout | pcp::Failure::UnsupportedVersion(_)) => {}
            Err(pcp::Failure::InvalidResponse(_)) => {}
            Err(_) => found.push(Found { via: Via::Pcp, external: None }),
        }
        if let Ok(ip) = told {
            found.push(Found { via: Via::NatPmp, external: Some(ip.into()) });
        }
        found
    };
    let upnp = async {
        let gateway = search(config).await?;
        let external = within(config.patience, gateway.get_external_ip()).await.ok().and_then(Result::ok);
        Some(Found { via: Via::Upnp, external })
    };
    let (mut found, upnp) = tokio::join!(small, upnp);
    found.extend(upnp);
    found
}

/// Searches a router that speaks UPnP.
async fn search(config: &Config) -> Option<Gateway<Tokio>> {
    if !config.upnp {
        return None;
    }
    let mut options = SearchOptions::default();
    options.broadcast_address = config.search;
    options.timeout = Some(config.patience);
    options.single_search_timeout = Some(config.patience);
    // A router that was named is believed even where others are not, such as on loopback.
    options.allowed_gateway_ips.extend(config.gateway.map(IpAddr::V4));
    search_gateway(options).await.inspect_err(|error| tracing::debug!(%error, "no UPnP")).ok()
}

/// Asks for `port` outside as well, for another one where that is taken, and for ever where there is nothing else.
async fn add_upnp(
    gateway: &Gateway<Tokio>,
    protocol: PortMappingProtocol,
    port: u16,
    internal: SocketAddr,
    mut lease: u32,
    description: &str,
) -> Result<(u16, Duration), LeaseError> {
    // A mapping without an end is looked after like others.
    let granted = |lease: u32| Duration::from_secs(if lease == 0 { 3600 } else { lease.into() });
    loop {
        match gateway.add_port(protocol, port, internal, lease, description).await {
            Ok(()) => return Ok((port, granted(lease))),
            Err(AddPortError::OnlyPermanentLeasesSupported) if lease != 0 => lease = 0,
            Err(AddPortError::PortInUse) => {
                let any = gateway.add_any_port(protocol, internal, lease, description).await;
                let port = any.map_err(|error| LeaseError::Upnp(error.to_string()))?;
                return Ok((port, granted(lease)));
            }
            Err(error) => return Err(LeaseError::Upnp(error.to_string())),
        }
    }
}

async fn within<T>(limit: Duration, what: impl Future<Output = T>) -> Result<T, LeaseError> {
    tokio::time::timeout(limit, what).await.map_err(|_| LeaseError::TimedOut)
}

/// The router, and our address as it sees it.
fn router(config: &Config) -> Option<(IpAddr, IpAddr)> {
    if !config.pcp {
        return None;
    }
    let gateway: IpAddr = config.gateway.or_else(route::gateway)?.into();
    let client = route::address_towards((gateway, GATEWAY_PORT).into()).ok()?;
    Some((gateway, client))
}

fn options(config: &Config, port: Option<NonZeroU16>) -> PortMappingOptions {
    // The waits of all tries add up to the patience: 1 + 2 + 4 parts of it.
    let parts = 2u32.pow(TRIES) - 1;
    let timing = TimeoutConfig {
        initial_timeout: config.patience / parts,
        max_retries: TRIES as usize - 1,
        max_retry_timeout: None,
    };
    PortMappingOptions {
        external_port: port,
        lifetime_seconds: Some(u32::try_from(config.lease.as_secs()).unwrap_or(u32::MAX)),
        timeout_config: Some(timing),
    }
}

fn small_via(mapping: &PortMapping) -> Via {
    match mapping.mapping_type() {
        PortMappingType::Pcp { .. } => Via::Pcp,
        PortMappingType::NatPmp => Via::NatPmp,
    }
}

fn protocol(transport: Transport) -> InternetProtocol {
    match transport {
        Transport::Udp => InternetProtocol::Udp,
        Transport::Tcp => InternetProtocol::Tcp,
    }
}

fn upnp_protocol(transport: Transport) -> PortMappingProtocol {
    match transport {
        Transport::Udp => PortMappingProtocol::UDP,
        Transport::Tcp => PortMappingProtocol::TCP,
    }
}
