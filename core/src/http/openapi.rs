//! The OpenAPI description: its frame, and how refusals are told in it. The rest comes from the handlers.

use super::error_reference::CODES;
use igny8_contract::refusal::Refusal;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalAnswer {
    /// Always false.
    #[schema(example = false)]
    pub success: bool,
    /// A sentence for people.
    pub error: String,
    /// The stable word to switch on.
    pub code: String,
    /// Finds the request in the logs.
    pub request_id: String,
    /// What is wrong, field by field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeMap<String, String>>,
}

/// Defines a type that tells utoipa which refusals a handler may answer.
macro_rules! refusals {
    ($name:ident: $($refusal:ident)+) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses()
            -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::response::Response>> {
                $crate::http::openapi::responses(&[$(igny8_contract::refusal::Refusal::$refusal),+])
            }
        }
    };
}
pub(crate) use refusals;

/// The responses of these refusals, one for each status.
pub(crate) fn responses(refusals: &[Refusal]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Refusal>> = BTreeMap::new();
    for refusal in refusals {
        by_status.entry(refusal.status()).or_default().push(*refusal);
    }
    by_status
        .into_iter()
        .map(|(status, refusals)| {
            let sentences: Vec<String> = refusals
                .iter()
                .map(|refusal| format!("`{}`: {}", refusal.code(), refusal.sentence()))
                .collect();
            let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code()).collect();
            let example = refusals.first().map(|refusal| {
                let fields = (status == 422).then(|| BTreeMap::from([("email", "It is required.")]));
                serde_json::json!(refusal.body("5f0c1e6a9d3b47728e51c0ffee15900d", fields))
            });
            let content = ContentBuilder::new()
                .schema(Some(RefOr::Ref(Ref::from_schema_name("RefusalAnswer"))))
                .example(example)
                .build();
            let response = ResponseBuilder::new()
                .description(sentences.join(" · "))
                .content("application/json", content)
                .extensions(Some(ExtensionsBuilder::new().add(CODES, codes).build()))
                .build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
}

/// The description without its paths.
#[must_use]
pub fn frame() -> OpenApi {
    let mut components = Components::new();
    components
        .schemas
        .insert("RefusalAnswer".into(), RefusalAnswer::schema());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The access token from `register/` or `login/`."))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let info = InfoBuilder::new()
        .title("igny8 core")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Accounts, plans, credits, subscriptions and sign-in. Every answer is an envelope: `success` and `data`, or a \
             refusal with its `code`. A trailing slash is optional. Unknown fields are refused.",
        ))
        .build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The whole description as JSON text, as it is committed in `core/openapi.json`.
///
/// # Errors
/// What the serialiser says.
pub fn text() -> Result<String, serde_json::Error> {
    let description = super::routes::public().into_openapi();
    Ok(format!("{}\n", description.to_pretty_json()?))
}
