//! How a driver's frame fits into an area of the process image.
//!
//! A driver owns bits here and there. Its frame holds only the bytes that contain any of them, one after the other,
//! and a mask says which bits of those bytes are its own; the other bits belong to other drivers.

use serde::{Deserialize, Serialize};

use super::BitRange;

/// Neighbouring bytes of an area, and where they lie in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// First byte in the area.
    pub image: u32,
    /// First byte in the frame.
    pub frame: u32,
    /// How many.
    pub len: u32,
}

/// Where the bytes of a frame belong, and which of their bits count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FrameMap {
    extents: Vec<Extent>,
    mask: Vec<u8>,
}

impl FrameMap {
    /// Calculates the frame for the bits in `ranges`, which must lie in one area.
    pub fn new(ranges: &[BitRange]) -> Self {
        let mut sorted: Vec<_> = ranges.iter().filter(|range| range.len > 0 && range.fits()).collect();
        sorted.sort_by_key(|range| range.start);
        let mut map = Self::default();
        for range in sorted {
            let (first, end) = ((range.start / 8) as u32, range.end().div_ceil(8) as u32);
            match map.extents.last_mut() {
                Some(last) if first <= last.image + last.len => last.len = last.len.max(end - last.image),
                _ => map.extents.push(Extent { image: first, frame: 0, len: end - first }),
            }
        }
        let mut frame = 0;
        for extent in &mut map.extents {
            extent.frame = frame;
            frame += extent.len;
        }
        map.mask = vec![0; frame as usize];
        for range in ranges {
            for bit in range.start..range.end() {
                if let Some(place) = map.frame_bit(bit) {
                    map.mask[place / 8] |= 1 << (place % 8);
                }
            }
        }
        map
    }

    /// Bytes in a frame.
    pub fn len(&self) -> usize {
        self.mask.len()
    }

    /// Whether there is nothing to transfer.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty()
    }

    /// The bits of a frame that belong to the driver.
    pub fn mask(&self) -> &[u8] {
        &self.mask
    }

    /// The pieces of the area that the frame is made of.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Bytes that the area must have.
    pub fn image_len(&self) -> usize {
        self.extents.iter().map(|extent| (extent.image + extent.len) as usize).max().unwrap_or(0)
    }

    /// Where bit `bit` of the area lies in the frame.
    pub fn frame_bit(&self, bit: u64) -> Option<usize> {
        let byte = u32::try_from(bit / 8).ok()?;
        let extent =
            self.extents.iter().find(|extent| (extent.image..extent.image + extent.len).contains(&byte))?;
        Some((extent.frame + byte - extent.image) as usize * 8 + (bit % 8) as usize)
    }

    /// Puts the driver's bits of `frame` into `image` and leaves the others alone. Bytes that one of the two does
    /// not have are left out.
    pub fn scatter(&self, frame: &[u8], image: &mut [u8]) {
        for (place, index) in self.places() {
            if let (Some(&value), Some(byte)) = (frame.get(place), image.get_mut(index)) {
                *byte = (*byte & !self.mask[place]) | (value & self.mask[place]);
            }
        }
    }

    /// Takes the driver's bits out of `image` into `frame`; the other bits of the frame become 0.
    pub fn gather(&self, image: &[u8], frame: &mut [u8]) {
        for (place, index) in self.places() {
            if let (Some(byte), Some(&value)) = (frame.get_mut(place), image.get(index)) {
                *byte = value & self.mask[place];
            }
        }
    }

    /// Byte in the frame, byte in the image. Only places that the mask has: a map may come from another process.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let known = self.mask.len();
        self.extents
            .iter()
            .flat_map(|extent| {
                let (frame, image) = (extent.frame as usize, extent.image as usize);
                (0..extent.len as usize).map(move |offset| (frame + offset, image + offset))
            })
            .filter(move |&(place, _)| place < known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Address;
    use proptest::prelude::*;

    fn map(ranges: &[(&str, u32)]) -> FrameMap {
        let ranges: Vec<_> =
            ranges.iter().map(|(text, count)| text.parse::<Address>().unwrap().elements(*count)).collect();
        FrameMap::new(&ranges)
    }

    #[test]
    fn neighbours_share_an_extent_and_a_gap_starts_a_new_one() {
        let map = map(&[("%IW10", 2), ("%IX0.6", 4), ("%IB24", 1)]);
        assert_eq!(
            map.extents(),
            [Extent { image: 0, frame: 0, len: 2 }, Extent { image: 20, frame: 2, len: 5 }]
        );
        assert_eq!(map.mask(), [0b1100_0000, 0b0000_0011, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(map.image_len(), 25);
        assert_eq!((map.frame_bit(6), map.frame_bit(160), map.frame_bit(16)), (Some(6), Some(16), None));
    }

    #[test]
    fn bits_of_other_drivers_stay() {
        let map = map(&[("%QX0.1", 1), ("%QX0.3", 1)]);
        let mut image = [0b1111_0101];
        map.scatter(&[0b0000_1010], &mut image);
        assert_eq!(image, [0b1111_1111]);
        let mut frame = [0xaa];
        map.gather(&image, &mut frame);
        assert_eq!(frame, [0b0000_1010]);
    }

    #[test]
    fn a_map_that_does_not_fit_touches_nothing_else() {
        let map = map(&[("%QB0", 4)]);
        let mut image = [0; 2];
        map.scatter(&[1, 2, 3], &mut image);
        assert_eq!(image, [1, 2]);
        let wild = FrameMap { extents: vec![Extent { image: 9, frame: 7, len: 3 }], mask: vec![255] };
        wild.scatter(&[1; 20], &mut [0; 20]);
    }

    proptest! {
        #[test]
        fn gathering_what_was_scattered_gives_the_same_frame(
            ranges in prop::collection::vec((0_u64..400, 1_u64..40), 1..8),
            noise in prop::collection::vec(any::<u8>(), 64),
        ) {
            let ranges: Vec<_> = ranges
                .into_iter()
                .map(|(start, len)| BitRange { area: crate::image::Area::Input, start, len })
                .collect();
            let map = FrameMap::new(&ranges);
            let frame: Vec<u8> = noise.iter().cycle().zip(map.mask()).map(|(a, b)| a & b).collect();
            let before = noise.clone();
            let mut image = noise;
            map.scatter(&frame, &mut image);
            let mut back = vec![0; map.len()];
            map.gather(&image, &mut back);
            prop_assert_eq!(back, frame);
            for bit in 0..512_u64 {
                let owned = ranges.iter().any(|range| (range.start..range.end()).contains(&bit));
                let place = (bit / 8) as usize;
                if !owned {
                    prop_assert_eq!((image[place] ^ before[place]) & 1 << (bit % 8), 0);
                }
            }
        }
    }
}
