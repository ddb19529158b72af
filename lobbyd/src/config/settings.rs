//! Puts the typed parts together and checks what several settings must agree on.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::kinds::DriverName;
use super::table::{self, Setting, SettingInfo};
use super::values::Values;
use super::{
    ApiSettings, CallbackSettings, ConfigError, DriverSettings, LocalHostSettings, LocalSettings, LogSettings,
    NatsSettings, RedisSettings, Secret, Settings, SigningSettings, Timing,
};
use lobby_core::signing::keys::Keys;
use lobby_core::signing::verifier::VerifyMode;

/// All settings; those of the API and of drivers that are not active are left out, and files they name are not read.
pub(super) fn settings(values: &Values<'_>) -> Result<Settings, ConfigError> {
    check_pairs(values)?;
    let timing = timing(values)?;
    Ok(Settings {
        api: api(values)?,
        drivers: drivers(values, timing)?,
        local: local_facts(values)?,
        timing,
        signing: signing(values)?,
        register: values.get(&table::REGISTER)?,
        callback: callback(values)?,
        max_servers: values.get(&table::MAX_SERVERS)?,
        log: log(values)?,
    })
}

fn check_pairs(values: &Values<'_>) -> Result<(), ConfigError> {
    not_both(values, &table::TOKEN.info, &table::TOKEN_FILE.info)?;
    not_both(values, &table::NATS_URL.info, &table::NATS_URL_FILE.info)?;
    not_both(values, &table::REDIS_PASSWORD.info, &table::REDIS_PASSWORD_FILE.info)?;
    not_both(values, &table::NATS_NKEY_SEED_FILE.info, &table::NATS_CREDS_FILE.info)?;
    both_or_none(values, &table::NATS_CERT_FILE.info, &table::NATS_KEY_FILE.info)
}

fn not_both(values: &Values<'_>, one: &SettingInfo, other: &SettingInfo) -> Result<(), ConfigError> {
    if values.is_given(one)? && values.is_given(other)? {
        let message = format!("{} and {} are both set: only one of them is allowed", one.name, other.name);
        return Err(ConfigError::BadValue(message));
    }
    Ok(())
}

fn both_or_none(values: &Values<'_>, one: &SettingInfo, other: &SettingInfo) -> Result<(), ConfigError> {
    let (present, absent) = match (values.is_given(one)?, values.is_given(other)?) {
        (true, false) => (one, other),
        (false, true) => (other, one),
        (true, true) | (false, false) => return Ok(()),
    };
    Err(ConfigError::BadValue(format!("{} is set without {}: both are needed", present.name, absent.name)))
}

fn timing(values: &Values<'_>) -> Result<Timing, ConfigError> {
    let keep_alive = values.get(&table::KEEP_ALIVE)?;
    let ttl = values.get(&table::TTL)?;
    if ttl <= keep_alive {
        let why =
            format!("{} s is too short: more than KEEP_ALIVE, {} s, is allowed", ttl.as_secs(), keep_alive.as_secs());
        return Err(ConfigError::bad_value(&table::TTL.info, &why));
    }
    Ok(Timing { keep_alive, ttl, clean_every: values.get(&table::CLEAN_EVERY)? })
}

fn api(values: &Values<'_>) -> Result<Option<ApiSettings>, ConfigError> {
    if values.get(&table::DISABLE_API)? {
        return Ok(None);
    }
    Ok(Some(ApiSettings {
        host: values.get(&table::HOST)?,
        port: values.get(&table::PORT)?,
        token: secret(values, &table::TOKEN, &table::TOKEN_FILE)?,
        node_exporter_port: values.get(&table::NODE_EXPORTER_PORT)?,
    }))
}

fn local_facts(values: &Values<'_>) -> Result<LocalHostSettings, ConfigError> {
    Ok(LocalHostSettings {
        hostname: values.optional(&table::HOSTNAME)?,
        labels: values.optional(&table::LABELS)?.unwrap_or_default(),
        labels_path: values.get(&table::LABELS_PATH)?,
        runtime_labels_filename: values.get(&table::RUNTIME_LABELS_FILENAME)?,
    })
}

fn signing(values: &Values<'_>) -> Result<Option<SigningSettings>, ConfigError> {
    let verify = values.optional(&table::PACKET_VERIFY)?;
    let Some(file) = secret_file(values, &table::PACKET_KEY_FILE)? else {
        return if verify.flatten().is_some() { Err(packet_key_missing()) } else { Ok(None) };
    };
    let keys = Keys::parse(&file.expose());
    let keys = keys.map_err(|error| ConfigError::bad_value(&table::PACKET_KEY_FILE.info, &error.to_string()))?;
    Ok(Some(SigningSettings { file, keys, verify: verify.unwrap_or(Some(VerifyMode::Warn)) }))
}

fn packet_key_missing() -> ConfigError {
    let way_out = "set it to a file of secret keys, or set PACKET_VERIFY=off";
    ConfigError::BadValue(format!("PACKET_KEY_FILE is missing, and PACKET_VERIFY wants signatures: {way_out}"))
}

fn callback(values: &Values<'_>) -> Result<Option<CallbackSettings>, ConfigError> {
    let Some(command) = values.optional(&table::CALLBACK)? else { return Ok(None) };
    Ok(Some(CallbackSettings {
        command,
        cooldown: values.get(&table::CALLBACK_COOLDOWN)?,
        first_run_delay: values.get(&table::CALLBACK_FIRST_RUN_DELAY)?,
    }))
}

fn log(values: &Values<'_>) -> Result<LogSettings, ConfigError> {
    Ok(LogSettings { filter: values.get(&table::LOG_LEVEL)?, format: values.get(&table::LOG_FORMAT)? })
}

fn drivers(values: &Values<'_>, timing: Timing) -> Result<Vec<DriverSettings>, ConfigError> {
    let driver = |name| match name {
        DriverName::Nats => nats(values, timing).map(DriverSettings::Nats),
        DriverName::Redis => redis(values, timing).map(DriverSettings::Redis),
        DriverName::Local => local(values, timing).map(DriverSettings::Local),
    };
    values.get(&table::DRIVER)?.into_iter().map(driver).collect()
}

fn nats(values: &Values<'_>, timing: Timing) -> Result<NatsSettings, ConfigError> {
    let certificate = readable(values, &table::NATS_CERT_FILE)?;
    let key = readable(values, &table::NATS_KEY_FILE)?;
    Ok(NatsSettings {
        url: secret(values, &table::NATS_URL, &table::NATS_URL_FILE)?.ok_or_else(nats_url_missing)?,
        subject: values.get(&table::NATS_DISCOVERY_CHANNEL)?,
        nkey_seed: secret_file(values, &table::NATS_NKEY_SEED_FILE)?,
        creds_file: readable(values, &table::NATS_CREDS_FILE)?,
        ca_file: readable(values, &table::NATS_CA_FILE)?,
        client_certificate: certificate.zip(key),
        silence_limit: timing.silence_limit(),
    })
}

fn nats_url_missing() -> ConfigError {
    let way_out = "set it, for example to nats://127.0.0.1:4222, or set DRIVER=Local to run without a broker";
    ConfigError::BadValue(format!("NATS_URL is missing, and DRIVER names NATS: {way_out}"))
}

fn redis(values: &Values<'_>, timing: Timing) -> Result<RedisSettings, ConfigError> {
    let ca_file = readable(values, &table::REDIS_CA_FILE)?;
    Ok(RedisSettings {
        host: values.get(&table::REDIS_HOST)?,
        port: values.get(&table::REDIS_PORT)?,
        db: values.get(&table::REDIS_DB)?,
        channel: values.get(&table::REDIS_CHANNEL)?,
        username: values.optional(&table::REDIS_USERNAME)?,
        password: secret(values, &table::REDIS_PASSWORD, &table::REDIS_PASSWORD_FILE)?,
        tls: values.get(&table::REDIS_TLS)? || ca_file.is_some(),
        ca_file,
        silence_limit: timing.silence_limit(),
    })
}

fn local(values: &Values<'_>, timing: Timing) -> Result<LocalSettings, ConfigError> {
    let is_root = rustix::process::geteuid().is_root();
    let runtime_dir = values.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let path = values.optional(&table::LOCAL_PATH)?.or_else(|| default_local_path(is_root, runtime_dir));
    let path = path.ok_or_else(|| {
        let why = "only root has a default without XDG_RUNTIME_DIR: set LOCAL_PATH to a directory";
        ConfigError::BadValue(format!("LOCAL_PATH is missing, and DRIVER names Local: {why}"))
    })?;
    Ok(LocalSettings { path, keep_alive: timing.keep_alive, ttl: timing.ttl })
}

/// Where daemons meet by default: all of the machine as root, else all of one user.
pub(super) fn default_local_path(is_root: bool, runtime_dir: Option<PathBuf>) -> Option<PathBuf> {
    if is_root { Some(PathBuf::from("/run/lobby")) } else { runtime_dir.map(|dir| dir.join("lobby")) }
}

/// A secret given as it stands or in a file.
fn secret(
    values: &Values<'_>,
    plain: &Setting<String>,
    file: &Setting<PathBuf>,
) -> Result<Option<Secret>, ConfigError> {
    let Some(secret) = secret_file(values, file)? else {
        return Ok(values.optional(plain)?.map(|text| Secret::fixed(&text)));
    };
    plain.parse(&secret.expose()).map_err(|why| ConfigError::bad_value(&file.info, &why))?;
    Ok(Some(secret))
}

fn secret_file(values: &Values<'_>, file: &Setting<PathBuf>) -> Result<Option<Secret>, ConfigError> {
    let Some(path) = values.optional(file)? else { return Ok(None) };
    Secret::from_file(file.info.name, &path).map(Some).map_err(|error| ConfigError::unreadable(&file.info, &error))
}

/// The path of a file that a driver reads each time it connects, once it is known that it can be read.
fn readable(values: &Values<'_>, file: &Setting<PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
    let Some(path) = values.optional(file)? else { return Ok(None) };
    read(&path).map_err(|error| ConfigError::unreadable(&file.info, &error))?;
    Ok(Some(path))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read file {}", path.display()))
}
