//! A web server whose processes share what they computed.
//!
//! ```sh
//! cd examples/axum
//! export GUIRA_PATH=/dev/shm/shop.guira
//! cargo run -- 8081 & cargo run -- 8082 &        # two processes, one cache
//! curl localhost:8081/article/7                  # takes 0.3 s: computed
//! curl localhost:8082/article/7                  # found, by the other process
//! curl -X POST localhost:8082/article/7/changed  # invalidated for both
//! curl localhost:8081/stats
//! ```
#![forbid(unsafe_code)]

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use guira::{Failure, Guira, cached};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Article {
    number: u64,
    name: String,
    computed_by: u32,
}

#[derive(Debug)]
enum ShopError {
    NoSuchArticle(u64),
    /// The query that this request waited for, of whatever process, failed.
    Elsewhere(Failure),
    Cache(guira::Error),
}

impl From<Failure> for ShopError {
    fn from(failure: Failure) -> Self {
        Self::Elsewhere(failure)
    }
}

impl From<guira::Error> for ShopError {
    fn from(error: guira::Error) -> Self {
        Self::Cache(error)
    }
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchArticle(number) => write!(f, "there is no article {number}"),
            Self::Elsewhere(failure) => failure.fmt(f),
            Self::Cache(error) => error.fmt(f),
        }
    }
}

impl IntoResponse for ShopError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchArticle(_) => StatusCode::NOT_FOUND,
            Self::Elsewhere(_) | Self::Cache(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// A query that takes its time. One at a time for each article, whichever processes are asked for it; after ten seconds
/// it is repeated in the background while requests get what is there.
#[cached(name = "article", ttl = "1m", refresh_after = "10s", tags = ["articles"])]
async fn article(number: u64) -> Result<Article, ShopError> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    if number == 0 {
        return Err(ShopError::NoSuchArticle(number));
    }
    Ok(Article {
        number,
        name: format!("Plum no. {number}"),
        computed_by: std::process::id(),
    })
}

async fn show(Path(number): Path<u64>) -> Result<Json<Article>, ShopError> {
    Ok(Json(article(number).await?))
}

/// First the source is changed, then the result is invalidated.
async fn changed(Path(number): Path<u64>) -> Result<&'static str, ShopError> {
    let was_kept = article::invalidate(number)?;
    Ok(if was_kept {
        "forgotten\n"
    } else {
        "was not there\n"
    })
}

async fn stats() -> String {
    let stats = article::stats();
    format!(
        "process {}: {} found, {} found stale, {} missed, {} computed, {} waited for\n",
        std::process::id(),
        stats.hits,
        stats.stale_hits,
        stats.misses,
        stats.flights.computations,
        stats.flights.waits
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(8081), |port| port.parse())?;
    match Guira::from_env() {
        Ok(guira) => guira.set_default(),
        // Slower, but it serves.
        Err(error) => eprintln!("without a cache: {error}"),
    }
    // Refreshes in the background need this runtime's timers and sockets.
    let runtime = Handle::current();
    guira::background::set_spawner(move |future| {
        runtime.spawn(future);
    });

    let routes = Router::new()
        .route("/article/{number}", get(show))
        .route("/article/{number}/changed", post(changed))
        .route("/stats", get(stats));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let end = async {
        // Without the signal it serves until it is killed, which harms nobody.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, routes).with_graceful_shutdown(end).await?;
    Ok(())
}
