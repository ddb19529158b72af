//! What `nsc` makes: an operator, an account and a user of NATS, each signed by the one before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// A user who logs in with a `.creds` file, and the configuration of a server that knows him.
#[derive(Debug)]
pub struct NatsAccounts {
    /// Lines for [`NatsServer::with_config`](crate::NatsServer::with_config).
    pub config: String,
    /// The text of the `.creds` file.
    pub creds: String,
    /// The subject on which the server tells of closed connections of the account.
    pub events: String,
}

impl NatsAccounts {
    /// Makes all of them afresh.
    ///
    /// # Panics
    /// If a key cannot sign.
    pub fn new() -> Self {
        let (operator, user) = (KeyPair::new_operator(), KeyPair::new_user());
        let (account, system) = (KeyPair::new_account(), KeyPair::new_account());
        let events = format!("$SYS.ACCOUNT.{}.DISCONNECT", account.public_key());
        let claims = json!({"type": "operator", "system_account": system.public_key()});
        let operator_token = token(&operator, &operator, &claims);
        let mut stream = json!({"name": "events", "subject": events, "type": "stream"});
        let exports = token(&system, &operator, &of_account("exports", &stream));
        stream["account"] = json!(system.public_key());
        let imports = token(&account, &operator, &of_account("imports", &stream));
        let user_token =
            token(&user, &account, &json!({"type": "user", "subs": -1, "data": -1, "payload": -1}));
        let (system, account) = (system.public_key(), account.public_key());
        let preload = format!("{{ {system}: {exports}, {account}: {imports} }}");
        let seed = user.seed().expect("a new key has a seed");
        Self {
            config: format!(
                "operator: {operator_token}\nsystem_account: {system}\n\
                 resolver: MEMORY\nresolver_preload: {preload}"
            ),
            creds: format!(
                "{}\n{}",
                block("NATS USER JWT", &user_token),
                block("USER NKEY SEED", &seed)
            ),
            events,
        }
    }
}

impl Default for NatsAccounts {
    fn default() -> Self {
        Self::new()
    }
}

/// The claims of an account that exports or imports one stream.
fn of_account(direction: &str, stream: &Value) -> Value {
    let mut claims = json!({"type": "account", "limits": unlimited()});
    claims[direction] = json!([stream]);
    claims
}

fn unlimited() -> Value {
    json!({"subs": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "data": -1, "payload": -1, "wildcards": true})
}

/// A JWT as NATS wants it: signed with an nkey.
fn token(subject: &KeyPair, issuer: &KeyPair, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["version"] = json!(2);
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let (sub, iss) = (subject.public_key(), issuer.public_key());
    let body =
        json!({"jti": sub, "iat": 1, "iss": iss, "sub": sub, "name": "lobby", "nats": claims});
    let signed = [header, body].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = issuer.sign(signed.as_bytes()).expect("a new key can sign");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn block(title: &str, text: &str) -> String {
    format!("-----BEGIN {title}-----\n{text}\n------END {title}------\n")
}
