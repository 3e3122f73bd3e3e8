//! The mailer: sends the mail that waits, at once where this process has queued it, and otherwise within an interval.

use crate::app::Core;
use crate::app::mailing::send_due;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Sends until `stopping` says so; what is being sent then is sent to its end. `_under_way` is held until then: the process
/// waits for it.
pub async fn run(core: Core, every: Duration, mut stopping: watch::Receiver<bool>, _under_way: mpsc::Sender<()>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        // It stops, too, where nobody is left to say so.
        let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        tokio::select! {
            () = stop => return,
            _ = ticks.tick() => {}
            () = core.mail_waits.notified() => {}
        }
        match send_due(&core).await {
            Ok(_) if failing => {
                tracing::info!("mail is sent again");
                failing = false;
            }
            Ok(_) => {}
            Err(error) if !failing => {
                tracing::error!(%error, "mail that waits cannot be looked at");
                failing = true;
            }
            Err(_) => {}
        }
    }
}
