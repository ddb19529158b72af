//! Puts the typed parts together and checks what several settings must agree on.

use std::path::PathBuf;

use super::declaration::Declaration;
use super::values::Values;
use super::{
    ActiveDriver, ApiSettings, CallbackSettings, ConfigError, DnsSettings, FactSettings,
    LocalHostSettings, LogSettings, Secret, Settings, SigningSettings, Timing, TlsIdentity,
    oddities, table,
};
use lobby_core::dns::Zone;
use lobby_core::signing::keys::Keys;
use lobby_core::signing::verifier::VerifyMode;

/// The variables with which systemd speaks to lobbyd alone.
const OF_SERVICE_MANAGER: &[&str] =
    &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"];

impl<D> Settings<D> {
    /// All settings; those of the API and of drivers that are not active are left out, and files
    /// they name are not read.
    pub(super) fn from_values(
        declaration: &Declaration<D>,
        values: &Values<'_>,
    ) -> Result<Self, ConfigError> {
        let (timing, api) = (timing(values)?, api(values)?);
        let mut oddities = oddities::find(declaration, values)?;
        oddities.extend(timing.oddity());
        oddities.extend(api.as_ref().and_then(ApiSettings::tls_oddity));
        Ok(Self {
            api,
            dns: dns(values)?,
            drivers: drivers(declaration, values, timing)?,
            local: local_host(values)?,
            timing,
            signing: signing(values)?,
            register: values.get(&table::REGISTER)?,
            callback: callback(declaration, values)?,
            max_servers: values.get(&table::MAX_SERVERS)?,
            max_packet_rate: values.get(&table::MAX_PACKET_RATE)?,
            log: log(values)?,
            oddities,
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
    let token = values.secret(&table::TOKEN, &table::TOKEN_FILE)?;
    let read_token = values.secret(&table::READ_TOKEN, &table::READ_TOKEN_FILE)?;
    check_tokens(token.as_ref(), read_token.as_ref())?;
    Ok(Some(ApiSettings {
        host: values.get(&table::HOST)?,
        port: values.get(&table::PORT)?,
        token,
        read_token,
        tls: TlsIdentity::from_values(values)?,
        node_exporter_port: values.get(&table::NODE_EXPORTER_PORT)?,
        max_streams: values.get(&table::MAX_STREAMS)?,
    }))
}

/// Checks that a token for reading protects something.
fn check_tokens(token: Option<&Secret>, read_token: Option<&Secret>) -> Result<(), ConfigError> {
    let why = match (token, read_token) {
        (None, Some(_)) => "it is set without TOKEN, so everyone may do everything: set TOKEN too",
        (Some(token), Some(read_token)) if token == read_token => {
            "it is the same as TOKEN, and would let its clients change labels: expected another one"
        }
        _ => return Ok(()),
    };
    Err(ConfigError::bad_value(&table::READ_TOKEN.info, why))
}

fn dns(values: &Values<'_>) -> Result<Option<DnsSettings>, ConfigError> {
    let Some(listen) = values.optional(&table::DNS_LISTEN)? else { return Ok(None) };
    let ttl = values.get(&table::DNS_TTL)?.as_secs();
    let zone = Zone {
        name: values.get(&table::DNS_ZONE)?,
        ttl: u32::try_from(ttl).unwrap_or(u32::MAX),
        addresses: values.get(&table::ADDRESS_LABELS)?,
        shows_drained: values.get(&table::DNS_DRAINED)?,
        name_server: Some(listen.ip()).filter(|address| !address.is_unspecified()),
    };
    Ok(Some(DnsSettings { listen, zone }))
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
        state_path: state_path(values)?,
        facts: FactSettings {
            facts: values.optional(&table::FACTS)?.unwrap_or_default(),
            address: values.get(&table::ADDRESS)?,
        },
    })
}

fn state_path(values: &Values<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let is_root = rustix::process::geteuid().is_root();
    let variable = |name| values.variable(name).map(PathBuf::from);
    let default = || default_state_path(is_root, variable("XDG_STATE_HOME"), variable("HOME"));
    Ok(values.optional(&table::STATE_PATH)?.or_else(default))
}

/// The default: a directory of the machine for root, else one of the user.
fn default_state_path(
    is_root: bool,
    state_home: Option<PathBuf>,
    home: Option<PathBuf>,
) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/lobby"));
    }
    let state_home = state_home.or_else(|| home.map(|home| home.join(".local/state")));
    state_home.map(|state_home| state_home.join("lobby"))
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
        settle: values.get(&table::CALLBACK_SETTLE)?,
        time_limit: values.optional(&table::CALLBACK_TIMEOUT)?,
        selector: values.optional(&table::CALLBACK_SELECTOR)?,
        withheld: secrets.map(|info| info.name).chain(OF_SERVICE_MANAGER.iter().copied()).collect(),
    }))
}

fn log(values: &Values<'_>) -> Result<LogSettings, ConfigError> {
    Ok(LogSettings {
        filter: values.get(&table::LOG_LEVEL)?,
        format: values.get(&table::LOG_FORMAT)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_state_path_is_the_machines_or_the_users() {
        let path = |text: &str| Some(PathBuf::from(text));
        let (state_home, home) = (|| path("/home/a/state"), || path("/home/a"));
        assert_eq!(default_state_path(true, state_home(), home()), path("/var/lib/lobby"));
        assert_eq!(default_state_path(false, state_home(), home()), path("/home/a/state/lobby"));
        assert_eq!(default_state_path(false, None, home()), path("/home/a/.local/state/lobby"));
        assert_eq!(default_state_path(false, None, None), None);
    }
}
