//! Bulk transfers over a narrow line, in virtual time: what a congestion control makes of rate, delay, loss and company.
//!
//! A [`Scene`](scene::Scene) is a line and what happens to it; [`Race`](race::Race) puts flows on it, lets them run and
//! tells what became of it second by second. A flow is a [`Stack`](flow::Stack): [`ours`] are two whole sessions,
//! [`tcp`] is a model of TCP with CUBIC to compete with. Others bring their own.
//!
//! ```
//! use peerage_base::time::Duration;
//! use peerage_lab::wan::ours::Ours;
//! use peerage_lab::wan::race::Race;
//! use peerage_lab::wan::scene::Scene;
//!
//! let scene = Scene::new(2_000_000, Duration::from_millis(20));
//! let mut race = Race::new(&scene, 7);
//! race.add(&Ours::default());
//! let record = race.run(Duration::from_secs(2));
//! assert!(record.goodput(0, Duration::ZERO) > 100_000.0, "bytes per second");
//! ```

pub mod flow;
pub mod ours;
pub mod race;
pub mod record;
pub mod scene;
pub mod tcp;
