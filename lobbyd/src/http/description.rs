//! The description of the API, for programs that read such: OpenAPI, written by hand.

use actix_web::HttpResponse;

/// The whole description.
const DESCRIPTION: &str = include_str!("../../openapi.yaml");

/// `GET /openapi.yaml`: the description of all routes.
pub async fn description() -> HttpResponse {
    HttpResponse::Ok().content_type("application/yaml").body(DESCRIPTION)
}
