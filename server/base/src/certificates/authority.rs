//! The local certificate authority: created together with the server's certificate if both are
//! missing, and used to renew that certificate before it expires.
//!
//! The authority can sign for the names of this server only, those at its creation (RFC 5280
//! §4.2.1.10): people who trust it do not have to trust that its key is never stolen.
//!
//! A clock that was wrong when a file was created must not lock clients out once it is right. The
//! authority is valid since [`FIRST_DAY`], whatever the clock shows, and a certificate is renewed
//! unless it is valid at every time that it may be.
//!
//! No existing file is overwritten, except a certificate that this authority signed. Files are
//! created at the default paths only: a missing file at a path that the operator set is more likely
//! a mistake, and a new authority would change the server's identity.

use std::fs::DirBuilder;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;

use super::{RENEW_BEFORE, x509};
use crate::config::Tls;
use crate::{files, pem};
use rookery_record::Present;

/// A clock that shows an earlier day is wrong, for this server is younger.
const FIRST_DAY: Date = date(2025, 1, 1);
/// The validity of the authority in years, from its creation.
const AUTHORITY_YEARS: i16 = 10;
/// The validity of a certificate in days, from the day before it is signed. Not longer than the
/// strictest clients and scanners accept.
const CERTIFICATE_DAYS: i32 = 365;

/// The longest validity of a certificate that was signed when the clock was right.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * CERTIFICATE_DAYS as i64);

/// The common name of the authority.
const AUTHORITY: &str = "Rookery local authority";
/// The common name of the certificates that it signs.
const SERVER: &str = "Rookery server";

/// The mode of certificates. Keys are written with [`files::PRIVATE`].
const READABLE: u32 = 0o644;

/// The authority's files, in the same folder as the server's certificate.
struct Authority {
    certificate: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn of(tls: &Tls) -> Self {
        let folder = tls.certificate.parent().unwrap_or(Path::new(""));
        Self {
            certificate: folder.join("ca.pem"),
            key: folder.join("ca.key"),
        }
    }

    fn exists(&self) -> anyhow::Result<bool> {
        both_or_none(
            "the authority's certificate",
            &self.certificate,
            "its key",
            &self.key,
        )
    }

    fn issuer(&self) -> anyhow::Result<Issuer<'static, KeyPair>> {
        Ok(Issuer::new(authority_params(), read_key(&self.key)?))
    }

    fn read_certificate(&self) -> anyhow::Result<CertificateDer<'static>> {
        let read = || {
            pem::authorities(&self.certificate)?;
            anyhow::Ok(pem::certificates(&self.certificate)?.swap_remove(0))
        };
        read().with_context(|| self.certificate.display().to_string())
    }
}

/// Whether the server's certificate and key exist; if not, they may be created. Fails if only one
/// of them is missing, or if both are and the operator set their paths.
pub(super) fn pair_exists(tls: &Tls) -> anyhow::Result<bool> {
    let exists = both_or_none(
        "tls.certificate",
        &tls.certificate,
        "tls.private_key",
        &tls.private_key,
    )?;
    ensure!(
        exists || tls.create_missing,
        "tls.certificate: {} does not exist, and neither does tls.private_key; only files at the \
         default paths (certs/server.pem and certs/server.key) are created",
        tls.certificate.display()
    );
    Ok(exists)
}

/// Creates the server's certificate and key if both are missing, and the authority if that is
/// missing too.
pub(super) fn create_missing(tls: &Tls, present: Present) -> anyhow::Result<()> {
    if pair_exists(tls)? {
        return Ok(());
    }
    for file in [&tls.certificate, &tls.private_key] {
        if let Some(folder) = file.parent() {
            // The certificates in it are for everyone, the keys have a mode of their own.
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(folder)
                .with_context(|| format!("{}: cannot create the folder", folder.display()))?;
        }
    }
    let authority = Authority::of(tls);
    if !authority.exists()? {
        create_authority(tls, &authority, present)?;
    }
    let key = KeyPair::generate()?;
    let (names, _) = names_by_permission(tls, &authority)?;
    let certificate = sign(&names, &authority, &key, present)?;
    write(&tls.private_key, &key.serialize_pem(), files::PRIVATE)?;
    write(&tls.certificate, &certificate, READABLE)?;
    tracing::info!(
        "created the certificate {1} for {0}, signed by the local authority {2}",
        names.join(", "),
        tls.certificate.display(),
        authority.certificate.display()
    );
    Ok(())
}

/// Renews the certificate if the local authority signed it and it expires soon, is not valid yet,
/// was signed for longer than usual while the clock may have been wrong, or lacks a name of
/// `tls.names`. The key stays the same, so clients that have pinned it still accept it. Returns
/// whether the certificate was renewed.
pub(super) fn renew(
    tls: &Tls,
    current: &CertificateDer<'_>,
    present: Present,
) -> anyhow::Result<bool> {
    let authority = Authority::of(tls);
    if !(authority.certificate.exists() && authority.key.exists()) {
        return Ok(false);
    }
    let (Some(validity), Ok(parsed)) = (
        x509::validity(current),
        ParsedCertificate::try_from(current),
    ) else {
        return Ok(false);
    };
    let lacks = |name: &String| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| verify_server_name(&parsed, &name).is_err())
    };
    let Some([earliest, latest]) = today(present) else {
        return Ok(false);
    };
    let is_too_long = validity.end.duration_since(validity.start) > LONGEST;
    let is_due = midnight(earliest)? < validity.start
        || midnight(latest)? + RENEW_BEFORE > validity.end
        || (is_too_long && earliest == latest);
    if !(is_due || tls.names.iter().any(lacks))
        || !is_signed_by(&authority.read_certificate()?, current, validity.start)
    {
        return Ok(false);
    }
    let (names, _) = names_by_permission(tls, &authority)?;
    if !(is_due || names.iter().any(lacks)) {
        return Ok(false);
    }
    let certificate = sign(&names, &authority, &read_key(&tls.private_key)?, present)?;
    write(&tls.certificate, &certificate, READABLE)?;
    tracing::info!(
        "renewed the certificate {} for {}",
        tls.certificate.display(),
        names.join(", ")
    );
    Ok(true)
}

/// Whether a local authority has signed the certificate, as far as its names show. A byte of the
/// issuer's may be what is damaged.
pub(super) fn is_own(certificate: &x509::Fields<'_>) -> bool {
    let (Some(authority), Some(server)) = (name_in_der(AUTHORITY), name_in_der(SERVER)) else {
        return false;
    };
    let x509::Fields {
        issuer, subject, ..
    } = *certificate;
    issuer == authority || (subject == server && issuer.len() == authority.len())
}

/// Fails if the local authority is the issuer of a certificate, but has not made its signature.
pub(super) fn verify_signature(
    tls: &Tls,
    certificate: &CertificateDer<'_>,
    fields: &x509::Fields<'_>,
) -> anyhow::Result<()> {
    let authority = Authority::of(tls);
    let Ok(issuer) = authority.read_certificate() else {
        return Ok(());
    };
    let names_issuer = x509::Fields::of(&issuer).is_some_and(|own| own.subject == fields.issuer);
    let is_wrong = (names_issuer || is_own(fields))
        && x509::is_signed_with_key_of(certificate, &issuer) == Some(false);
    // Otherwise the authority is what is damaged, and the certificate may be intact.
    ensure!(
        !is_wrong || is_damaged(&issuer),
        "it names the local authority {} as its issuer, but the signature is not of that \
         authority: one of the two files was damaged or replaced, and clients that trust this \
         authority refuse the certificate. Restore that file from a backup, or move the \
         certificate and its key away and restart to create new ones",
        authority.certificate.display()
    );
    Ok(())
}

/// Whether an authority that should have signed itself has not.
fn is_damaged(authority: &CertificateDer<'_>) -> bool {
    let Some(fields) = x509::Fields::of(authority) else {
        return true;
    };
    let verified = x509::is_signed_with_key_of(authority, authority);
    let is_own = name_in_der(AUTHORITY)
        .is_some_and(|own| [fields.issuer, fields.subject].contains(&own.as_slice()));
    if is_own {
        // Of its key, everything is known.
        verified != Some(true)
    } else {
        fields.is_self_issued() && verified == Some(false)
    }
}

/// Returns what to do about a file of the local authority that is damaged, if there is one, or
/// missing, if the server's certificate is of a local authority (`is_own`).
pub(super) fn damage_warning(tls: &Tls, is_own: bool) -> Option<String> {
    let authority = Authority::of(tls);
    let [certificate, key] = [&authority.certificate, &authority.key];
    let is_missing = |file: &&PathBuf| !file.exists();
    if !is_own && [certificate, key].iter().any(is_missing) {
        return None;
    }
    let read = || {
        for file in [certificate, key] {
            ensure!(file.exists(), "{} is missing", file.display());
        }
        let der = authority.read_certificate()?;
        ensure!(
            !is_damaged(&der),
            "{}: the signature is wrong, so the file is damaged",
            certificate.display()
        );
        let pair = read_key(key)?;
        let public_key = pair.public_key_raw();
        ensure!(
            der.windows(public_key.len()).any(|part| part == public_key),
            "{} is not the key of {}",
            key.display(),
            certificate.display()
        );
        Ok(())
    };
    let error = read().err()?;
    Some(format!(
        "the local authority cannot renew the server's certificate: {error:#}. Restore that file \
         from a backup, or move the authority, the certificate and both keys away, restart to \
         create new ones, and give the new authority to your users"
    ))
}

/// Returns what to do about the names in `tls.names` that the local authority may not sign for, if
/// it signed the certificate and there are any.
pub(super) fn permission_warning(tls: &Tls, current: &CertificateDer<'_>) -> Option<String> {
    let authority = Authority::of(tls);
    if !has_signed(tls, current, x509::validity(current)?.start) {
        return None;
    }
    let (_, mut refused) = names_by_permission(tls, &authority).ok()?;
    refused.retain(|name| tls.names.contains(name));
    (!refused.is_empty()).then(|| {
        format!(
            "tls.names: the local authority {} was created for other names, and cannot sign for \
             {}. Move it, the certificate and both keys away, restart to create new ones, and give \
             the new authority to your users",
            authority.certificate.display(),
            refused.join(", ")
        )
    })
}

/// Returns the names that the certificate is to cover and the authority may sign for, and those
/// that it may not.
fn names_by_permission(
    tls: &Tls,
    authority: &Authority,
) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let issuer = authority.issuer()?;
    let authority = authority.read_certificate()?;
    let key = KeyPair::generate()?;
    let start = x509::validity(&authority).map_or(Timestamp::UNIX_EPOCH, |validity| validity.start);
    // A client's view of the constraints: does it accept a certificate for the name?
    let is_permitted = |name: &String| {
        let certificate = || {
            let mut params = CertificateParams::new([name.clone()])?;
            let day = day_of(start);
            set_dates(&mut params, day, day.saturating_add(1.day()));
            params.signed_by(&key, &issuer)
        };
        certificate().is_ok_and(|signed| is_signed_by(&authority, signed.der(), start))
    };
    Ok(names(tls).into_iter().partition(is_permitted))
}

fn create_authority(tls: &Tls, authority: &Authority, present: Present) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let mut params = authority_params();
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names(tls).into_iter().map(subtree).collect(),
        excluded_subtrees: Vec::new(),
    });
    let [_, now] = today(present).unwrap_or([FIRST_DAY; 2]);
    let end = now.saturating_add(AUTHORITY_YEARS.years());
    set_dates(&mut params, FIRST_DAY.saturating_sub(1.day()), end);
    let certificate = params.self_signed(&key)?;
    write(&authority.key, &key.serialize_pem(), files::PRIVATE)?;
    write(&authority.certificate, &certificate.pem(), READABLE)?;
    tracing::info!(
        "created a local certificate authority; give {} to your users, and keep {} secret",
        authority.certificate.display(),
        authority.key.display()
    );
    Ok(())
}

/// Returns the constraint that permits exactly this address, or this name with those below it.
fn subtree(name: String) -> GeneralSubtree {
    match name.parse::<IpAddr>() {
        Ok(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
        }
        Err(_) => GeneralSubtree::DnsName(name),
    }
}

/// Returns the parameters that the authority's certificate shares with its issuer. They are
/// constant, so an issuer can be created from the authority's key alone.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Signs a certificate for `key`. Returns it in PEM, without the authority's: a client that trusts
/// the authority has its certificate, and no other client has a use for it.
fn sign(
    names: &[String],
    authority: &Authority,
    key: &KeyPair,
    present: Present,
) -> anyhow::Result<String> {
    let [first, now] = today(present).unwrap_or([FIRST_DAY; 2]);
    let authority_certificate = authority.read_certificate()?;
    let authority_end = x509::validity(&authority_certificate)
        .with_context(|| {
            format!(
                "{}: the certificate's dates cannot be read",
                authority.certificate.display()
            )
        })?
        .end;
    ensure!(
        authority_end > midnight(now)? + RENEW_BEFORE,
        "the local authority {} expires on {authority_end}: move it, the certificate and both keys \
         away, restart to create new ones, and give the new authority to your users",
        authority.certificate.display()
    );
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = distinguished_name(SERVER);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // It begins the day before, for clients whose clock is slow.
    let start = first.saturating_sub(1.day());
    let end = now
        .saturating_add((CERTIFICATE_DAYS - 1).days())
        .min(day_of(authority_end));
    set_dates(&mut params, start, end);
    let certificate = params.signed_by(key, &authority.issuer()?)?;
    ensure!(
        is_signed_by(&authority_certificate, certificate.der(), midnight(now)?),
        "{} is not the key of the local authority {}",
        authority.key.display(),
        authority.certificate.display()
    );
    Ok(certificate.pem())
}

/// Whether the local authority signed `certificate`, and both were valid at `at`.
pub(super) fn has_signed(tls: &Tls, certificate: &CertificateDer<'_>, at: Timestamp) -> bool {
    Authority::of(tls)
        .read_certificate()
        .is_ok_and(|authority| is_signed_by(&authority, certificate, at))
}

/// Whether `authority` signed `certificate`, and both are valid at `at`.
fn is_signed_by(
    authority: &CertificateDer<'_>,
    certificate: &CertificateDer<'_>,
    at: Timestamp,
) -> bool {
    let mut roots = RootCertStore::empty();
    let (Ok(()), Ok(parsed)) = (
        roots.add(authority.clone()),
        ParsedCertificate::try_from(certificate),
    ) else {
        return false;
    };
    let at =
        UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().try_into().unwrap_or(0)));
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], at, algorithms.all).is_ok()
}

/// Returns the names and addresses that the certificate covers: those of this machine, and
/// `tls.names`.
fn names(tls: &Tls) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        Ipv4Addr::LOCALHOST.to_string(),
        Ipv6Addr::LOCALHOST.to_string(),
    ];
    let machine = gethostname::gethostname().to_str().map(str::to_lowercase);
    for name in machine.iter().chain(&tls.names) {
        if ServerName::try_from(name.as_str()).is_ok() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Rookery");
    name.push(DnType::CommonName, common_name);
    name
}

/// Returns a distinguished name as certificates contain it.
fn name_in_der(common_name: &str) -> Option<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(common_name);
    let certificate = params.self_signed(&KeyPair::generate().ok()?).ok()?;
    Some(x509::Fields::of(certificate.der())?.subject.to_vec())
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Returns the first and the last day that today may be; `None` if the clock is certainly wrong.
fn today(present: Present) -> Option<[Date; 2]> {
    let [earliest, latest] = [present.earliest, present.latest].map(day_of);
    let earliest = if earliest < FIRST_DAY {
        latest
    } else {
        earliest
    };
    (latest >= FIRST_DAY).then_some([earliest, latest])
}

/// Returns the beginning of the day.
fn midnight(day: Date) -> anyhow::Result<Timestamp> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp())
}

/// Sets the validity period.
fn set_dates(params: &mut CertificateParams, start: Date, end: Date) {
    let midnight = |date: Date| {
        date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = midnight(start);
    params.not_after = midnight(end);
}

fn read_key(file: &Path) -> anyhow::Result<KeyPair> {
    pem::private_key(file)
        .and_then(|key| KeyPair::try_from(&key).map_err(|_| anyhow!(pem::DAMAGED_KEY)))
        .with_context(|| file.display().to_string())
}

/// Whether both files exist. Fails if only one does, because either of them may be the one to
/// restore.
fn both_or_none(
    first_name: &str,
    first: &Path,
    second_name: &str,
    second: &Path,
) -> anyhow::Result<bool> {
    let exists = |file: &Path| {
        file.try_exists()
            .with_context(|| file.display().to_string())
    };
    let (missing_name, missing, other) = match (exists(first)?, exists(second)?) {
        (true, true) => return Ok(true),
        (false, false) => return Ok(false),
        (false, true) => (first_name, first, second),
        (true, false) => (second_name, second, first),
    };
    bail!(
        "{missing_name}: {} is missing, but {} exists: restore the missing file, or move the \
         other one away so that both are created",
        missing.display(),
        other.display()
    )
}

/// Writes a file atomically, with permissions `mode`.
fn write(file: &Path, content: &str, mode: u32) -> anyhow::Result<()> {
    files::write(file, content.as_bytes(), mode)
        .with_context(|| format!("{}: cannot write the file", file.display()))
}
