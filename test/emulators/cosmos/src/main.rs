//! A stand-in for Azure Cosmos DB, for tests only: the in-memory emulator inside Microsoft's crate `azure_data_cosmos_driver`, behind
//! an HTTP server on loopback. That module is internal and unstable by its own word. What it cannot do: TTL, patch inside a batch,
//! conditional patch, bulk, stored procedures, subqueries; it checks no key or token. It prints the address it chose and lives until
//! its standard input closes, so that it never outlives the test that started it.

use std::{convert::Infallible, error::Error, str::FromStr, sync::Arc};

use azure_core::http::{headers::HeaderName, Method, Request, Url};
use azure_data_cosmos_driver::in_memory_emulator::{InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion};
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{io::AsyncReadExt, net::TcpListener};

type Failure = Box<dyn Error + Send + Sync>;

async fn answer(emulator: &InMemoryEmulatorHttpClient, base: &Url, request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, Failure> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut forwarded = Request::new(base.join(path)?, Method::from_str(parts.method.as_str())?);
    for (name, value) in &parts.headers {
        forwarded.insert_header(HeaderName::from(name.as_str().to_owned()), value.to_str()?.to_owned());
    }
    forwarded.set_body(body.collect().await?.to_bytes());
    let stored = emulator.execute_request(&forwarded).await?.try_into_raw_response().await?;
    let mut response = hyper::Response::builder().status(u16::from(stored.status()));
    for (name, value) in stored.headers().iter() {
        response = response.header(name.as_str(), value.as_str());
    }
    Ok(response.body(Full::new(Bytes::copy_from_slice(stored.body().as_ref())))?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
    let account = VirtualAccountConfig::new(vec![VirtualRegion::new("Loopback", base.clone())])?;
    let emulator = Arc::new(InMemoryEmulatorHttpClient::new(account));
    println!("listening on {base}");
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0u8; 64];
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            read = stdin.read(&mut ignored) => if read? == 0 { std::process::exit(0) } else { continue },
        };
        let (emulator, base) = (emulator.clone(), base.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| async {
                let response = answer(&emulator, &base, request).await;
                Ok::<_, Infallible>(response.unwrap_or_else(|failure| {
                    eprintln!("{failure}");
                    let mut response = hyper::Response::new(Full::new(Bytes::from(failure.to_string())));
                    *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }))
            });
            // A connection the client drops is nobody's failure.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
