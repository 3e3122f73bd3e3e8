//! Stories: what happens to a house with two accounts, step by step, drawn at random and the same for the same number.

use igny8_core::domain::billing::LateMode;
use igny8_core::domain::subscription::PaymentMethod;
use proptest::prelude::*;
use proptest::strategy::{BoxedStrategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many steps a story has.
pub const STEPS: usize = 50;

/// The slugs of the catalogue that stories speak of.
pub const SLUGS: [&str; 8] = [
    "free-trial",
    "free",
    "starter",
    "growth",
    "scale",
    "club",
    "enterprise",
    "retired",
];

/// How many credits, by what the account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Exactly(i64),
    Half,
    All,
    OneTooMany,
}

/// How much money comes, by what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Money {
    Right,
    Wrong,
    /// Not what is expected, and somebody says why it is taken.
    Overridden,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Seconds(i64),
    Days(i64),
    /// Until time next changes something in any account, and this many microseconds more.
    Due(i64),
}

/// Which account is meant: the first or the second.
pub type Who = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Wait(Wait),
    ClockStepsBack {
        seconds: i64,
    },
    WorkerTicks,
    Restart,
    SignUp,
    Upgrade {
        who: Who,
        to: &'static str,
        method: PaymentMethod,
    },
    Confirm {
        who: Who,
        plan: Option<&'static str>,
        money: Money,
        mode: Option<LateMode>,
    },
    /// An earlier confirmation comes once more, as it was.
    ConfirmAgain {
        earlier: usize,
    },
    /// Money comes under the name of an earlier payment, perhaps another account's.
    ConfirmUnderEarlierName {
        who: Who,
        earlier: usize,
        money: Money,
    },
    Renew {
        who: Who,
        mode: Option<LateMode>,
    },
    Consume {
        who: Who,
        amount: Share,
    },
    Hold {
        who: Who,
        amount: Share,
        seconds: i64,
    },
    ConfirmHold {
        who: Who,
        earlier: usize,
        part: Share,
    },
    ReleaseHold {
        who: Who,
        earlier: usize,
    },
    Cancel {
        who: Who,
    },
    Undo {
        who: Who,
    },
    AssignPlan {
        who: Who,
        plan: &'static str,
    },
    Bonus {
        who: Who,
        credits: i64,
        days: Option<i64>,
    },
    TakeCredits {
        who: Who,
        amount: Share,
    },
    Suspend {
        who: Who,
        for_abuse: bool,
    },
    Reinstate {
        who: Who,
    },
    /// Somebody pays at Stripe what their account is to pay there; where that is nothing, they ask for a plan first.
    StripeCheckout {
        who: Who,
        to: &'static str,
        says_paid: bool,
    },
    /// The subscription at Stripe that began `earlier` before the last is paid once more.
    StripeInvoicePaid {
        earlier: usize,
        /// More than what is expected, in minor units.
        more: i64,
    },
    StripeInvoiceFails {
        earlier: usize,
    },
    /// Somebody asks Stripe for the end of the subscription, and perhaps changes their mind a second later.
    StripeCancels {
        earlier: usize,
        changes_mind: bool,
    },
    StripeEnds {
        earlier: usize,
    },
    /// The oldest event that has not come yet comes, or one after those that are skipped for now.
    StripeTells {
        skipped: usize,
    },
    StripeTellsAgain {
        earlier: usize,
    },
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(0), 1 => Just(1)]
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![
        6 => (1..3000_i64).prop_map(Share::Exactly),
        2 => Just(Share::Half),
        2 => Just(Share::All),
        1 => Just(Share::OneTooMany),
    ]
}

fn money() -> impl Strategy<Value = Money> {
    prop_oneof![8 => Just(Money::Right), 1 => Just(Money::Wrong), 1 => Just(Money::Overridden)]
}

fn mode() -> impl Strategy<Value = Option<LateMode>> {
    prop_oneof![3 => Just(None), 2 => Just(Some(LateMode::CatchUp)), 1 => Just(Some(LateMode::Restart))]
}

fn slug() -> impl Strategy<Value = &'static str> {
    prop::sample::select(SLUGS.to_vec())
}

fn paid_slug() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => prop::sample::select(vec!["starter", "growth", "scale", "club"]), 1 => slug()]
}

fn method() -> impl Strategy<Value = PaymentMethod> {
    prop_oneof![Just(PaymentMethod::BankTransfer), Just(PaymentMethod::Stripe)]
}

fn time() -> BoxedStrategy<Step> {
    let wait = prop_oneof![
        3 => (1..7200_i64).prop_map(Wait::Seconds),
        4 => (1..12_i64).prop_map(Wait::Days),
        4 => (13..45_i64).prop_map(Wait::Days),
        1 => (46..400_i64).prop_map(Wait::Days),
        3 => (-1..2_i64).prop_map(Wait::Due),
    ];
    prop_oneof![
        20 => wait.prop_map(Step::Wait),
        1 => (1..200_000_i64).prop_map(|seconds| Step::ClockStepsBack { seconds }),
        7 => Just(Step::WorkerTicks),
        2 => Just(Step::Restart),
        2 => Just(Step::SignUp),
    ]
    .boxed()
}

fn payments() -> BoxedStrategy<Step> {
    let confirm = (who(), prop::option::weighted(0.4, paid_slug()), money(), mode());
    prop_oneof![
        5 => (who(), paid_slug(), method()).prop_map(|(who, to, method)| Step::Upgrade { who, to, method }),
        7 => confirm.prop_map(|(who, plan, money, mode)| Step::Confirm { who, plan, money, mode }),
        1 => (0..9_usize).prop_map(|earlier| Step::ConfirmAgain { earlier }),
        1 => (who(), 0..9_usize, money())
            .prop_map(|(who, earlier, money)| Step::ConfirmUnderEarlierName { who, earlier, money }),
    ]
    .boxed()
}

fn subscriptions() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => (who(), mode()).prop_map(|(who, mode)| Step::Renew { who, mode }),
        2 => who().prop_map(|who| Step::Cancel { who }),
        2 => who().prop_map(|who| Step::Undo { who }),
        2 => (who(), prop_oneof![Just("enterprise"), Just("free"), slug()])
            .prop_map(|(who, plan)| Step::AssignPlan { who, plan }),
        1 => (who(), any::<bool>()).prop_map(|(who, for_abuse)| Step::Suspend { who, for_abuse }),
        3 => who().prop_map(|who| Step::Reinstate { who }),
    ]
    .boxed()
}

fn stripe() -> BoxedStrategy<Step> {
    let earlier = || prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    let more = prop_oneof![9 => Just(0_i64), 1 => -1..2_i64];
    prop_oneof![
        6 => (who(), paid_slug(), any::<bool>())
            .prop_map(|(who, to, says_paid)| Step::StripeCheckout { who, to, says_paid }),
        4 => (earlier(), more).prop_map(|(earlier, more)| Step::StripeInvoicePaid { earlier, more }),
        1 => earlier().prop_map(|earlier| Step::StripeInvoiceFails { earlier }),
        2 => (earlier(), any::<bool>())
            .prop_map(|(earlier, changes_mind)| Step::StripeCancels { earlier, changes_mind }),
        1 => earlier().prop_map(|earlier| Step::StripeEnds { earlier }),
        12 => prop_oneof![3 => Just(0), 1 => 1..4_usize].prop_map(|skipped| Step::StripeTells { skipped }),
        2 => (0..5_usize).prop_map(|earlier| Step::StripeTellsAgain { earlier }),
    ]
    .boxed()
}

fn credits() -> BoxedStrategy<Step> {
    let life = prop_oneof![1..7200_i64, 86_400..2_592_001_i64];
    prop_oneof![
        6 => (who(), share()).prop_map(|(who, amount)| Step::Consume { who, amount }),
        5 => (who(), share(), life).prop_map(|(who, amount, seconds)| Step::Hold { who, amount, seconds }),
        5 => (who(), 0..4_usize, share()).prop_map(|(who, earlier, part)| Step::ConfirmHold { who, earlier, part }),
        3 => (who(), 0..4_usize).prop_map(|(who, earlier)| Step::ReleaseHold { who, earlier }),
        2 => (who(), 1..5000_i64, prop::option::of(1..60_i64))
            .prop_map(|(who, credits, days)| Step::Bonus { who, credits, days }),
        1 => (who(), share()).prop_map(|(who, amount)| Step::TakeCredits { who, amount }),
    ]
    .boxed()
}

/// Some stories are more about one thing than about others: what is rare in a mixture is met in those.
fn step(number: u64) -> BoxedStrategy<Step> {
    let [payments_, subscriptions_, stripe_, credits_] = match number % 4 {
        0 => [3, 3, 3, 5],
        1 => [2, 2, 0, 12],
        2 => [1, 1, 12, 1],
        _ => [5, 5, 1, 1],
    };
    prop_oneof![
        5 => time(),
        payments_ => payments(),
        subscriptions_ => subscriptions(),
        stripe_ => stripe(),
        credits_ => credits(),
    ]
    .boxed()
}

/// A step, and what it can be made simpler with.
struct Drawn {
    step: Step,
    simpler: Box<dyn ValueTree<Value = Step>>,
}

/// A story that can be made simpler: steps leave it, and numbers in it grow smaller.
pub struct Story {
    steps: Vec<Drawn>,
}

impl Story {
    /// The story of this number.
    pub fn numbered(number: u64) -> Self {
        let mut bytes = [0_u8; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let step = step(number);
        let draw = |_| {
            let simpler = step.new_tree(&mut runner).expect("no step is ever filtered out");
            let step = simpler.current();
            Drawn { step, simpler }
        };
        Self {
            steps: (0..STEPS).map(draw).collect(),
        }
    }

    pub fn steps(&self) -> Vec<Step> {
        self.steps.iter().map(|drawn| drawn.step).collect()
    }

    /// The simplest story found that `fails` still, in at most `tries` tries.
    pub fn simplified(mut self, mut tries: usize, mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
        let mut still_fails = |steps: &[Step]| {
            let may_try = tries > 0;
            tries = tries.saturating_sub(1);
            may_try && fails(steps)
        };
        loop {
            let before = self.steps();
            self.leave_out(&mut still_fails);
            self.shrink(&mut still_fails);
            if self.steps() == before {
                return before;
            }
        }
    }

    fn leave_out(&mut self, still_fails: &mut impl FnMut(&[Step]) -> bool) {
        let mut length = self.steps.len();
        while length > 0 {
            let mut start = 0;
            while start < self.steps.len() {
                let end = self.steps.len().min(start + length);
                let mut shorter = self.steps();
                shorter.drain(start..end);
                if still_fails(&shorter) {
                    self.steps.drain(start..end);
                } else {
                    start = end;
                }
            }
            length /= 2;
        }
    }

    fn shrink(&mut self, still_fails: &mut impl FnMut(&[Step]) -> bool) {
        for index in 0..self.steps.len() {
            let mut candidate = self.steps();
            let drawn = &mut self.steps[index];
            while drawn.simpler.simplify() {
                let failed = loop {
                    candidate[index] = drawn.simpler.current();
                    if still_fails(&candidate) {
                        break true;
                    }
                    if !drawn.simpler.complicate() {
                        break false;
                    }
                };
                if !failed {
                    break;
                }
                drawn.step = candidate[index];
            }
        }
    }
}
