//! Addresses: the labels that hold those of the servers.

use anyhow::anyhow;
use lobby_client::AddressLabels;

use crate::args::AddressOptions;
use crate::variable;

/// The keys of the option, else those of the variable, else the usual ones.
///
/// # Errors
/// If the variable is not a list of keys.
pub(crate) fn address_labels(options: &AddressOptions) -> anyhow::Result<AddressLabels> {
    if let Some(labels) = &options.address {
        return Ok(labels.clone());
    }
    let set = ["LOBBY_ADDRESS_LABELS", "ADDRESS_LABELS"].into_iter().find_map(|name| {
        let text = variable(name).filter(|text| !text.is_empty())?;
        Some((name, text.to_string_lossy().into_owned()))
    });
    let Some((name, text)) = set else { return Ok(AddressLabels::default()) };
    AddressLabels::parse(&text).map_err(|error| anyhow!("{name}: {error}"))
}
