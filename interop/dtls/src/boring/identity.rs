//! Certificates of every kind, made by BoringSSL.

use std::sync::LazyLock;

use boring::asn1::Asn1Time;
use boring::bn::BigNum;
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::{Id, PKey, Private};
use boring::rsa::Rsa;
use boring::x509::{X509, X509Name};

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Identity {
    /// Signed by itself.
    pub certificate: X509,
    /// Private.
    pub key: PKey<Private>,
}

impl Kind {
    /// Whether a DTLS 1.2 server with it signs with RSA.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa4096)
    }

    /// The one identity of this kind; finding primes takes a while, so there is one for all.
    pub fn identity(self) -> &'static Identity {
        static P256: LazyLock<Identity> = LazyLock::new(|| Identity::new(Kind::P256));
        static P384: LazyLock<Identity> = LazyLock::new(|| Identity::new(Kind::P384));
        static ED25519: LazyLock<Identity> = LazyLock::new(|| Identity::new(Kind::Ed25519));
        static RSA2048: LazyLock<Identity> = LazyLock::new(|| Identity::new(Kind::Rsa2048));
        static RSA4096: LazyLock<Identity> = LazyLock::new(|| Identity::new(Kind::Rsa4096));
        match self {
            Self::P256 => &P256,
            Self::P384 => &P384,
            Self::Ed25519 => &ED25519,
            Self::Rsa2048 => &RSA2048,
            Self::Rsa4096 => &RSA4096,
        }
    }
}

impl Identity {
    fn new(kind: Kind) -> Self {
        let key = key(kind).expect("a key can be made");
        let certificate = certificate(&key, kind).expect("a certificate can be made");
        Self { certificate, key }
    }
}

fn key(kind: Kind) -> Result<PKey<Private>, ErrorStack> {
    let on_curve = |curve| PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve)?)?);
    match kind {
        Kind::P256 => on_curve(Nid::X9_62_PRIME256V1),
        Kind::P384 => on_curve(Nid::SECP384R1),
        Kind::Ed25519 => PKey::generate(Id::ED25519),
        Kind::Rsa2048 => PKey::from_rsa(Rsa::generate(2048)?),
        Kind::Rsa4096 => PKey::from_rsa(Rsa::generate(4096)?),
    }
}

fn certificate(key: &PKey<Private>, kind: Kind) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "foreign")?;
    let name = name.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(30)?)?;
    builder.set_pubkey(key)?;
    // `boring` cannot sign one without a hash. Nobody here looks at the signature on a certificate.
    let issuer = if kind == Kind::Ed25519 { &Kind::P256.identity().key } else { key };
    builder.sign(issuer, MessageDigest::sha256())?;
    Ok(builder.build())
}
