//! Facts about this server, as labels: what FACTS names, as it is at the moment.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use lobby_client::Label;

use crate::config::FactSettings;
use crate::sys::addresses;
use lobby_core::facts::fact::{self, Fact};
use lobby_core::facts::own_address::{AddressSource, OwnAddress, is_reachable};

/// Where the operating system says what it is; the second one if there is no first.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The facts that this server tells of itself. Clones share what they found out.
#[derive(Debug, Clone)]
pub struct Facts {
    settings: FactSettings,
    /// Those that do not change while the daemon runs.
    fixed: Arc<[Label]>,
    own_address: Arc<Mutex<OwnAddress>>,
}

impl Facts {
    /// The facts that the settings name. Reads what the operating system says of itself.
    pub fn new(settings: FactSettings) -> Self {
        let fixed = settings.facts.iter().filter_map(|fact| fixed_label(*fact)).collect();
        Self { settings, fixed, own_address: Arc::default() }
    }

    /// The link of a driver leads to this broker now, or is down. Returns whether that matters.
    pub fn link_changed(&self, driver: usize, broker: Option<SocketAddr>) -> bool {
        let mut own = self.own_address.lock().unwrap_or_else(PoisonError::into_inner);
        own.link_changed(driver, broker);
        self.settings.facts.contains(&Fact::Address) && self.settings.address == AddressSource::Auto
    }

    /// The facts as they are now.
    pub fn labels(&self) -> Vec<Label> {
        let mut labels = self.fixed.to_vec();
        if self.settings.facts.contains(&Fact::Address) {
            labels.extend(self.addresses().into_iter().filter_map(fact::address_label));
        }
        labels
    }

    fn addresses(&self) -> Vec<IpAddr> {
        match &self.settings.address {
            AddressSource::Fixed(addresses) => addresses.clone(),
            AddressSource::Interface(name) => {
                let mut addresses = addresses::of_interface(name);
                addresses.retain(|address| is_reachable(*address));
                addresses
            }
            AddressSource::Auto => {
                let mut own = self.own_address.lock().unwrap_or_else(PoisonError::into_inner);
                let address = own.update(addresses::own_end, addresses::default_end);
                address.into_iter().collect()
            }
        }
    }
}

fn fixed_label(fact: Fact) -> Option<Label> {
    match fact {
        Fact::Address => None,
        Fact::Version => fact::version_label(env!("CARGO_PKG_VERSION")),
        Fact::Arch => fact::arch_label(std::env::consts::ARCH),
        Fact::Os => {
            let text = OS_RELEASE.iter().find_map(|path| fs::read_to_string(path).ok())?;
            fact::os_label(&text)
        }
    }
}
