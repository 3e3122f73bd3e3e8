//! Where somebody who follows the change feed stands, and what they are to be told.

use igny8_contract::feed::FeedHead;

/// Up to where a follower has come, as they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub generation: String,
    pub seq: i64,
    /// Nothing where they do not say.
    pub stamp: Option<i64>,
}

/// What becomes of a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They know everything.
    Current,
    /// There are changes after their place.
    Behind,
    /// Their place is not in this history, or was swept away: they need a new snapshot.
    Lost,
}

/// Judges a place. `stamp_there` is the stamp of the feed's row with the place's number, where there is such a row.
#[must_use]
pub fn judge(place: &Place, head: &FeedHead, stamp_there: Option<i64>) -> Standing {
    let same = |stamp: i64| place.stamp.is_none_or(|of_place| of_place == stamp);
    if place.generation != head.generation || place.seq > head.seq {
        Standing::Lost
    } else if place.seq == head.seq {
        // The head keeps its stamp when the rows below it are swept away.
        if same(head.stamp) {
            Standing::Current
        } else {
            Standing::Lost
        }
    } else if stamp_there.is_some_and(same) {
        Standing::Behind
    } else {
        Standing::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_place_of_this_history_that_has_not_been_swept_away_goes_on() {
        let head = FeedHead {
            generation: "g".into(),
            seq: 10,
            stamp: 77,
        };
        let place = |generation: &str, seq, stamp| Place {
            generation: generation.into(),
            seq,
            stamp,
        };
        let rows = [
            (place("g", 10, Some(77)), None, Standing::Current),
            (place("g", 10, None), None, Standing::Current),
            (place("g", 9, Some(5)), Some(5), Standing::Behind),
            (place("g", 9, None), Some(5), Standing::Behind),
            // Another history: a backup was put back, and went on differently.
            (place("g", 10, Some(78)), None, Standing::Lost),
            (place("g", 9, Some(6)), Some(5), Standing::Lost),
            (place("g", 11, Some(1)), None, Standing::Lost),
            // Another database.
            (place("h", 10, Some(77)), None, Standing::Lost),
            (place("", 10, Some(77)), None, Standing::Lost),
            // Swept away.
            (place("g", 4, Some(5)), None, Standing::Lost),
            (place("g", 4, None), None, Standing::Lost),
            (place("g", -1, None), None, Standing::Lost),
        ];
        for (place, stamp_there, expected) in rows {
            assert_eq!(judge(&place, &head, stamp_there), expected, "{place:?} {stamp_there:?}");
        }
    }
}
