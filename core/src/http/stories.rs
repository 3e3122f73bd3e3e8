//! A story that has begun runs to its end: whoever asked may hang up, and the process waits for it before it leaves.

use super::answer::Refused;
use crate::app::StoryError;
use igny8_contract::refusal::Refusal;
use tokio::sync::mpsc;

const GAUGE: &str = "igny8_core_stories_under_way";

/// Keeps count of stories under way.
#[derive(Clone, Debug)]
pub struct Stories {
    /// Each story holds a copy of the sender; when the last is dropped, the receiver learns of it.
    under_way: mpsc::Sender<()>,
}

/// Waits for the last story.
#[derive(Debug)]
pub struct LastStory(mpsc::Receiver<()>);

impl Stories {
    /// A count, and who waits for its end.
    #[must_use]
    pub fn new() -> (Self, LastStory) {
        let (under_way, last) = mpsc::channel(1);
        (Self { under_way }, LastStory(last))
    }

    /// Runs a story to its end, in a task of its own.
    ///
    /// # Errors
    /// What the story refuses; `internal` where it panicked.
    pub async fn run<T, F>(&self, story: F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoryError>> + Send + 'static,
    {
        let under_way = UnderWay::begin(self.under_way.clone());
        let task = tokio::spawn(async move {
            let _under_way = under_way;
            story.await
        });
        match task.await {
            Ok(answer) => Ok(answer?),
            Err(error) => Err(Refused {
                reason: Some(Refusal::Internal),
                cause: Some(error.to_string()),
                ..Refused::default()
            }),
        }
    }
}

/// Counts one story while it lives, however it ends.
struct UnderWay {
    _counted: mpsc::Sender<()>,
}

impl UnderWay {
    fn begin(counted: mpsc::Sender<()>) -> Self {
        metrics::gauge!(GAUGE).increment(1);
        Self { _counted: counted }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        metrics::gauge!(GAUGE).decrement(1);
    }
}

impl LastStory {
    /// Returns once no story is under way and no [`Stories`] is left to begin one.
    pub async fn wait(mut self) {
        let _: Option<()> = self.0.recv().await;
    }
}
