//! Puts the typed parts together and checks what several settings must agree on.

use super::declaration::Declaration;
use super::values::Values;
use super::{
    ActiveDriver, ApiSettings, CallbackSettings, ConfigError, LocalHostSettings, LogSettings,
    Settings, SigningSettings, Timing, oddities, table,
};
use lobby_core::signing::keys::Keys;
use lobby_core::signing::verifier::VerifyMode;

impl<D> Settings<D> {
    /// All settings; those of the API and of drivers that are not active are left out, and files
    /// they name are not read.
    pub(super) fn from_values(
        declaration: &Declaration<D>,
        values: &Values<'_>,
    ) -> Result<Self, ConfigError> {
        let timing = timing(values)?;
        Ok(Self {
            api: api(values)?,
            drivers: drivers(declaration, values, timing)?,
            local: local_host(values)?,
            timing,
            signing: signing(values)?,
            register: values.get(&table::REGISTER)?,
            callback: callback(declaration, values)?,
            max_servers: values.get(&table::MAX_SERVERS)?,
            log: log(values)?,
            oddities: oddities::find(declaration, values)?,
        })
    }
}

fn timing(values: &Values<'_>) -> Result<Timing, ConfigError> {
    let keep_alive = values.get(&table::KEEP_ALIVE)?;
    let ttl = values.get(&table::TTL)?;
    if ttl <= keep_alive {
        let why = format!(
            "{} s is too short: expected more than KEEP_ALIVE, {} s",
            ttl.as_secs(),
            keep_alive.as_secs()
        );
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
        token: values.secret(&table::TOKEN, &table::TOKEN_FILE)?,
        node_exporter_port: values.get(&table::NODE_EXPORTER_PORT)?,
        max_streams: values.get(&table::MAX_STREAMS)?,
    }))
}

fn drivers<D>(
    declaration: &Declaration<D>,
    values: &Values<'_>,
    timing: Timing,
) -> Result<Vec<ActiveDriver<D>>, ConfigError> {
    let active = declaration.active(values)?.into_iter().map(|spec| {
        let driver = (spec.configure)(values, timing)?;
        Ok(ActiveDriver { name: spec.name, driver })
    });
    active.collect()
}

fn local_host(values: &Values<'_>) -> Result<LocalHostSettings, ConfigError> {
    Ok(LocalHostSettings {
        hostname: values.optional(&table::HOSTNAME)?,
        labels: values.optional(&table::LABELS)?.unwrap_or_default(),
        labels_path: values.get(&table::LABELS_PATH)?,
        labels_path_is_set: values.is_changed(&table::LABELS_PATH.info)?,
        runtime_labels_filename: values.get(&table::RUNTIME_LABELS_FILENAME)?,
    })
}

fn signing(values: &Values<'_>) -> Result<Option<SigningSettings>, ConfigError> {
    let verify = values.optional(&table::PACKET_VERIFY)?;
    let Some(file) = values.secret_file(&table::PACKET_KEY_FILE)? else {
        return if verify.flatten().is_some() { Err(packet_key_missing()) } else { Ok(None) };
    };
    let keys = Keys::parse(&file.expose());
    let keys = keys.map_err(|error| {
        ConfigError::bad_value(&table::PACKET_KEY_FILE.info, &error.to_string())
    })?;
    Ok(Some(SigningSettings { file, keys, verify: verify.unwrap_or(Some(VerifyMode::Warn)) }))
}

fn packet_key_missing() -> ConfigError {
    let way_out = "set it to a file of secret keys, or set PACKET_VERIFY=off";
    ConfigError::BadValue(format!(
        "PACKET_KEY_FILE is missing, and PACKET_VERIFY wants signatures: {way_out}"
    ))
}

fn callback<D>(
    declaration: &Declaration<D>,
    values: &Values<'_>,
) -> Result<Option<CallbackSettings>, ConfigError> {
    let Some(command) = values.optional(&table::CALLBACK)? else { return Ok(None) };
    let secrets =
        declaration.settings().map(|(_, setting)| setting.info()).filter(|info| info.is_secret());
    Ok(Some(CallbackSettings {
        command,
        cooldown: values.get(&table::CALLBACK_COOLDOWN)?,
        first_run_delay: values.get(&table::CALLBACK_FIRST_RUN_DELAY)?,
        withheld: secrets.map(|info| info.name).collect(),
    }))
}

fn log(values: &Values<'_>) -> Result<LogSettings, ConfigError> {
    Ok(LogSettings {
        filter: values.get(&table::LOG_LEVEL)?,
        format: values.get(&table::LOG_FORMAT)?,
    })
}
