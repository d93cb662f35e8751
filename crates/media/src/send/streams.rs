//! The streams of a sender, each in a place of its own.

use alloc::vec::Vec;

use super::outlet::Outlet;
use super::stream_id::StreamId;

/// Places, some of them free.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<Place>);

#[derive(Debug)]
struct Place {
    generation: u16,
    stream: Option<Outlet>,
}

impl Streams {
    /// Where the next stream goes.
    pub(super) fn free(&self) -> usize {
        self.0.iter().position(|place| place.stream.is_none()).unwrap_or(self.0.len())
    }

    /// Adds a stream where one is free.
    pub(super) fn add(&mut self, stream: Outlet) -> StreamId {
        let index = self.free();
        if index == self.0.len() {
            self.0.push(Place { generation: 0, stream: None });
        }
        let place = &mut self.0[index];
        place.stream = Some(stream);
        StreamId { index: index as u16, generation: place.generation }
    }

    /// Takes a stream out; its name is not used again.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<Outlet> {
        let place = self.0.get_mut(usize::from(id.index)).filter(|place| place.generation == id.generation)?;
        let stream = place.stream.take()?;
        place.generation = place.generation.wrapping_add(1);
        Some(stream)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Outlet> {
        self.0.iter().filter_map(|place| place.stream.as_ref())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Outlet> {
        self.0.iter_mut().filter_map(|place| place.stream.as_mut())
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&Outlet> {
        let place = self.0.get(usize::from(id.index)).filter(|place| place.generation == id.generation)?;
        place.stream.as_ref()
    }

    pub(super) fn find(&mut self, id: StreamId) -> Option<&mut Outlet> {
        self.at(id.index).filter(|(found, _)| *found == id).map(|(_, stream)| stream)
    }

    /// The stream at a place, and its name.
    pub(super) fn at(&mut self, index: u16) -> Option<(StreamId, &mut Outlet)> {
        let place = self.0.get_mut(usize::from(index))?;
        Some((StreamId { index, generation: place.generation }, place.stream.as_mut()?))
    }
}
