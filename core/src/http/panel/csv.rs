//! Tables for spreadsheets: RFC 4180, and no cell that a spreadsheet would carry out as a formula. A table has every row that
//! there is: it is sent page by page as it is read, so that no more than two pages of it are held at once, however long it is.

use crate::app::StoryError;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hyper::body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// A page of a table.
#[derive(Debug)]
pub struct Page {
    pub rows: Vec<Vec<String>>,
    /// Where the next page begins; nothing on the last one.
    pub next_before: Option<i64>,
}

/// Why a table ended before its end. Whoever loads it sees that the answer broke off, and no table that looks whole.
#[derive(Debug, thiserror::Error)]
#[error("the table could not be read to its end")]
struct Cut;

/// The rest of an answer, as it comes.
struct Rest(mpsc::Receiver<Result<Bytes, Cut>>);

impl hyper::body::Body for Rest {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.0
            .poll_recv(context)
            .map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// A table under this name; `read` gives the page before a number. What goes wrong with the first page is the answer; later
/// on it breaks the answer off.
///
/// # Errors
/// What reading the first page meets.
pub async fn answer<R, F>(name: &str, head: &[&str], first: i64, read: R) -> Result<Response, StoryError>
where
    R: Fn(i64) -> F + Send + 'static,
    F: Future<Output = Result<Page, StoryError>> + Send + 'static,
{
    let page = read(first).await?;
    let head = line(head.iter().map(|cell| (*cell).to_owned()));
    // One part waits for the client while the next one is read.
    let (sender, rest) = mpsc::channel(1);
    tokio::spawn(send(sender, head, page, read));
    let mut response = Response::new(Body::new(Rest(rest)));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Sends page after page, until the last one or until the client is gone.
async fn send<R, F>(sender: mpsc::Sender<Result<Bytes, Cut>>, head: String, mut page: Page, read: R)
where
    R: Fn(i64) -> F + Send,
    F: Future<Output = Result<Page, StoryError>> + Send + 'static,
{
    let mut text = head;
    loop {
        for row in page.rows {
            text.push_str(&line(row.into_iter()));
        }
        if sender.send(Ok(std::mem::take(&mut text).into())).await.is_err() {
            return;
        }
        let Some(before) = page.next_before else { return };
        page = match read(before).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "a table of the panel broke off");
                // A client that is gone needs no word.
                let _: Result<_, _> = sender.send(Err(Cut)).await;
                return;
            }
        };
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|text| cell(&text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A number stays one; any other text that begins like a formula is kept from being one by an apostrophe.
fn cell(text: &str) -> String {
    let begins_a_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<i64>().is_err();
    let text = if begins_a_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\r', '\n', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use igny8_contract::refusal::Refusal;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[test]
    fn a_cell_is_what_it_says_and_never_a_formula() {
        for (text, written) in [
            ("Ada", "Ada"),
            ("-5", "-5"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("@sum", "\"'@sum\""),
            ("-2+3", "\"'-2+3\""),
            ("+cmd|x", "\"'+cmd|x\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }

    /// A table of `count` numbers, a page each, that cannot be read at `fails`; and how many pages of it were read.
    async fn numbers(count: i64, fails: i64) -> (Result<Response, StoryError>, Arc<AtomicI64>) {
        let reads = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&reads);
        let read = move |before: i64| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                if before == fails {
                    return Err(StoryError::from(Refusal::StorageUnavailable));
                }
                Ok(Page {
                    rows: vec![vec![before.to_string()]],
                    next_before: Some(before - 1).filter(|next| *next > 0),
                })
            }
        };
        (answer("numbers.csv", &["number"], count, read).await, reads)
    }

    #[tokio::test]
    async fn a_table_has_every_row_however_many() {
        let (answer, reads) = numbers(20_000, 0).await;
        let text = answer.unwrap().into_body().collect().await.unwrap().to_bytes();
        let lines: Vec<&str> = std::str::from_utf8(&text).unwrap().lines().collect();
        assert_eq!((lines.len(), lines[0], lines[20_000]), (20_001, "number", "1"));
        assert_eq!(reads.load(Ordering::SeqCst), 20_000);
    }

    #[tokio::test]
    async fn what_nobody_takes_is_not_read() {
        let (answer, reads) = numbers(20_000, 0).await;
        let mut body = answer.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(reads.load(Ordering::SeqCst) <= 5, "{reads:?}");
        drop(body);
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_read_to_its_end_breaks_off() {
        assert!(numbers(9, 9).await.0.is_err(), "the first page is the answer");
        let broken = numbers(9, 4).await.0.unwrap().into_body().collect().await;
        assert!(broken.is_err());
    }
}
