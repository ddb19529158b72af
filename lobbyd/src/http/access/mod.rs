//! Access: the rules of [`token`] and [`browser`], which stand before every route.

mod browser;
mod token;

use std::net::IpAddr;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use lobby_client::HostName;

use crate::config::{ApiSettings, Secret};
use crate::http::errors::ApiError;
use crate::http::ui;

/// Routes that tell no more than whether the daemon works, or the same of every daemon.
const WITHOUT_TOKEN: [&str; 3] = ["/healthz", "/readyz", "/openapi.yaml"];

/// The access policy: which requests are let in.
#[derive(Debug, Clone)]
pub struct AccessPolicy {
    token: Option<Secret>,
    read_token: Option<Secret>,
    /// Names of this server from the settings; the machine's own is asked for when it is needed,
    /// for it may change.
    names: Vec<String>,
}

impl AccessPolicy {
    /// The policy that follows from TOKEN, READ_TOKEN, HOST and HOSTNAME.
    pub fn new(api: &ApiSettings, hostname: Option<&HostName>) -> Self {
        let listen = Some(&api.host).filter(|host| host.parse::<IpAddr>().is_err());
        let names = hostname.map(ToString::to_string).into_iter().chain(listen.cloned()).collect();
        Self { token: api.token.clone(), read_token: api.read_token.clone(), names }
    }

    fn check(&self, request: &ServiceRequest) -> Result<(), ApiError> {
        browser::check_source(request.method(), request.headers())?;
        match &self.token {
            None => browser::check_host(request.headers(), |name| self.is_own(name)),
            Some(_) if is_open(request.path()) => Ok(()),
            Some(token) => check_token(request, token, self.read_token.as_ref()),
        }
    }

    fn is_own(&self, name: &str) -> bool {
        self.names.iter().any(|own| is_called(own, name))
            || is_called(&gethostname::gethostname().to_string_lossy(), name)
    }
}

/// Whether this path tells nothing of the fleet.
fn is_open(path: &str) -> bool {
    WITHOUT_TOKEN.contains(&path) || ui::is_file(path)
}

/// The secrets are looked at for each request, so that those read again from their files count at
/// once.
fn check_token(
    request: &ServiceRequest,
    token: &Secret,
    read_token: Option<&Secret>,
) -> Result<(), ApiError> {
    let header = request.headers().get(AUTHORIZATION);
    let gives = |token: &Secret| {
        header.is_some_and(|header| token::gives_token(header.as_bytes(), &token.expose()))
    };
    if gives(token) {
        Ok(())
    } else if !read_token.is_some_and(gives) {
        Err(ApiError::AccessDenied)
    } else if request.method().is_safe() {
        Ok(())
    } else {
        Err(ApiError::ReadOnly)
    }
}

/// Whether a server of this name is also called by the other: by the name itself, or by its first
/// part alone, which no stranger can own. The other way round a stranger could own the name that
/// the first part belongs to.
fn is_called(own: &str, name: &str) -> bool {
    let own = own.strip_suffix('.').unwrap_or(own);
    own.eq_ignore_ascii_case(name)
        || own.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(name))
}

/// Middleware (`actix_web::middleware::from_fn`): answers 403 instead of the route where the policy
/// refuses a request. It needs an [`AccessPolicy`] among the application's data.
///
/// # Errors
/// Those of the route.
pub async fn authorize<B: MessageBody>(
    policy: web::Data<AccessPolicy>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match policy.check(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => Ok(request.into_response(refusal.error_response()).map_into_right_body()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::http::Method;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse};

    use super::*;

    fn policy(token: Option<Secret>) -> AccessPolicy {
        policy_with(token, None)
    }

    fn policy_with(token: Option<Secret>, read_token: Option<Secret>) -> AccessPolicy {
        let api = ApiSettings {
            host: "lobby.example.com".into(),
            port: 1313,
            token,
            read_token,
            tls: None,
            node_exporter_port: 9100,
            max_streams: 1000,
        };
        AccessPolicy::new(&api, Some(&HostName::parse("srv1").unwrap()))
    }

    fn with_token() -> AccessPolicy {
        policy(Some(Secret::fixed("s3cret")))
    }

    /// Status and body of the answer; every route there is says OK.
    async fn ask(policy: AccessPolicy, request: TestRequest) -> (u16, String) {
        let app = App::new()
            .app_data(web::Data::new(policy))
            .default_service(web::to(|| async { HttpResponse::Ok().body("OK") }))
            .wrap(from_fn(authorize));
        let response = call_service(&init_service(app).await, request.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
    }

    async fn status(policy: AccessPolicy, request: TestRequest) -> u16 {
        ask(policy, request).await.0
    }

    fn at(host: &'static str) -> TestRequest {
        TestRequest::get().uri("/v1/discoveries").insert_header(("host", host))
    }

    fn authorised(request: TestRequest) -> TestRequest {
        request.insert_header((AUTHORIZATION, "Token s3cret"))
    }

    #[actix_web::test]
    async fn with_a_token_only_requests_that_give_it_are_let_in() {
        let denied = "access denied: send the token as \"Authorization: Token TOKEN\"\n";
        assert_eq!(ask(with_token(), at("srv1")).await, (403, denied.into()));
        assert_eq!(
            status(with_token(), at("srv1").insert_header((AUTHORIZATION, "Token s3kret"))).await,
            403
        );
        assert_eq!(ask(with_token(), authorised(at("srv1"))).await, (200, "OK".into()));
    }

    #[actix_web::test]
    async fn health_routes_need_no_token() {
        for (path, expected) in
            [("/healthz", 200), ("/readyz", 200), ("/", 403), ("/healthz/", 403), ("/nowhere", 403)]
        {
            assert_eq!(
                status(with_token(), TestRequest::get().uri(path)).await,
                expected,
                "{path}"
            );
        }
    }

    #[actix_web::test]
    async fn a_token_read_again_from_its_file_counts_at_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"s3cret\n").unwrap();
        let secret = Secret::from_file("TOKEN_FILE", file.path()).unwrap();
        let policy = policy(Some(secret.clone()));
        assert_eq!(status(policy.clone(), authorised(at("srv1"))).await, 200);
        std::fs::write(file.path(), "other\n").unwrap();
        assert!(secret.reload().unwrap());
        assert_eq!(status(policy, authorised(at("srv1"))).await, 403);
    }

    #[actix_web::test]
    async fn a_token_for_reading_opens_what_changes_nothing() {
        let policy = || policy_with(Some(Secret::fixed("s3cret")), Some(Secret::fixed("r3ad")));
        let asking = |method, token: &str| {
            at("srv1").method(method).insert_header((AUTHORIZATION, format!("Bearer {token}")))
        };
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(status(policy(), asking(method, "r3ad")).await, 200);
        }
        for method in [Method::POST, Method::DELETE, Method::PUT] {
            let (status, text) = ask(policy(), asking(method.clone(), "r3ad")).await;
            assert_eq!(status, 403, "{method}");
            assert!(text.contains("TOKEN instead of READ_TOKEN"), "{text}");
            assert_eq!(ask(policy(), asking(method, "s3cret")).await.0, 200);
        }
        assert_eq!(status(policy(), asking(Method::GET, "other")).await, 403);
    }

    #[actix_web::test]
    async fn without_a_token_only_names_of_this_server_are_answered() {
        let machine = gethostname::gethostname().into_string().unwrap();
        let own = TestRequest::get().insert_header(("host", machine));
        assert_eq!(status(policy(None), own).await, 200);
        for host in ["127.0.0.1:1313", "localhost", "SRV1:1313", "lobby.example.com", "lobby"] {
            assert_eq!(status(policy(None), at(host)).await, 200, "{host}");
        }
        for host in ["evil.example", "srv1.evil.example", "example.com"] {
            assert_eq!(status(policy(None), at(host)).await, 403, "{host}");
        }
    }

    #[actix_web::test]
    async fn with_a_token_any_host_name_will_do() {
        assert_eq!(status(with_token(), authorised(at("behind.a.proxy.example"))).await, 200);
    }

    #[actix_web::test]
    async fn a_forwarded_host_name_is_no_way_round_the_check() {
        for header in [("x-forwarded-host", "localhost"), ("forwarded", "host=localhost")] {
            assert_eq!(
                status(policy(None), at("evil.example").insert_header(header)).await,
                403,
                "{header:?}"
            );
        }
    }

    #[actix_web::test]
    async fn a_foreign_page_changes_nothing_even_with_the_token() {
        for method in [Method::POST, Method::DELETE] {
            let request = authorised(at("srv1"))
                .method(method)
                .insert_header(("origin", "http://evil.example"));
            assert_eq!(status(with_token(), request).await, 403);
        }
        assert_eq!(status(with_token(), authorised(at("srv1")).method(Method::POST)).await, 200);
    }
}
