//! An HTTP server that stores the deliveries of a taxonomy, as a source sends them: late ones, doubled ones and half ones.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use sqlx::Pool;
use tracing::info;
use upsert_runtime::Stored;

mod model;
mod precondition;
mod refusal;
mod requests;
mod store;

pub use self::model::Taxonomy;
pub use self::store::Store;

/// What the server answers, from this database.
pub fn router<DB: Store>(pool: Pool<DB>) -> Router
where
    Taxonomy: Stored<DB>,
{
    let one = get(requests::show::<DB>).patch(requests::patch::<DB>);
    Router::new()
        .route("/taxonomy", post(requests::deliver::<DB>))
        .route("/taxonomy/{slug}", one)
        .layer(middleware::from_fn(log))
        .with_state(pool)
}

/// One event a request. Its path is the route's: in the request's own stands a slug, and values do not belong in a log.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map(MatchedPath::as_str);
    info!(%method, route, status = response.status().as_u16(), "answered");
    response
}
