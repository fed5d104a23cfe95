//! Planes to AV1: the only file that names rav1e.
//!
//! The settings favour what a lab sees: text, flat areas, and long times in which nothing moves.
//! rav1e 0.8 has one tool for screen content: a block may go without a transform. It keeps the
//! newest pictures back (four, with these settings) and knows no times; [`super::film`] pushes it on
//! and keeps the times.

use std::sync::Arc;

use rav1e::prelude::{
    BlockSize, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig, EncoderStatus,
    FrameParameters, FrameType, FrameTypeOverride, MatrixCoefficients, PartitionRange, PixelRange,
    Rational, SceneDetectionSpeed, TransferCharacteristics, Tune,
};

use super::{
    CaptureError,
    canvas::{Canvas, Planes},
};

/// 0 is without loss, 255 the worst. With the transforms below small print stays sharp: a minute of
/// a Debian installer (80 screens) takes 166 kB at an SSIM of 0.9986, and 223 kB at 0.9989 with 130.
const QUANTIZER: usize = 140;
/// More would wait for each other: one picture is one tile.
const THREADS: usize = 1;

/// One encoded picture, in the order the pictures were pushed.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) data: Vec<u8>,
    /// Whether a player can start here.
    pub(super) key: bool,
}

pub(super) struct Encoder {
    context: Context<u8>,
    pushed: u64,
}

impl Encoder {
    pub(super) fn new(canvas: Canvas) -> Result<Self, CaptureError> {
        let mut settings = EncoderConfig::with_speed_preset(10);
        settings.width = canvas.width() as usize;
        settings.height = canvas.height() as usize;
        settings.time_base = Rational::new(1, 10);
        settings.pixel_range = PixelRange::Limited;
        settings.color_description = Some(ColorDescription {
            color_primaries: ColorPrimaries::BT709,
            transfer_characteristics: TransferCharacteristics::BT709,
            matrix_coefficients: MatrixCoefficients::BT709,
        });
        // Groups start where the caller says, and nowhere else.
        settings.min_key_frame_interval = 0;
        settings.max_key_frame_interval = 0;
        settings.low_latency = true;
        settings.quantizer = QUANTIZER;
        settings.tune = Tune::Psnr;
        settings.speed_settings.scene_detection_mode = SceneDetectionSpeed::None;
        settings.speed_settings.rdo_lookahead_frames = 1;
        settings.speed_settings.partition.partition_range =
            PartitionRange::new(BlockSize::BLOCK_16X16, BlockSize::BLOCK_64X64);
        // Tries which transform suits a block. Text often wants none, as cosines only smear it: two
        // fifths fewer bytes, and sharper. Splitting them as well takes half as much time again.
        settings.speed_settings.transform.rdo_tx_decision = true;
        settings.speed_settings.transform.enable_inter_tx_split = false;
        // While it tries it counts the bits of a block by a table instead of coding them: a quarter
        // less processor time, for a twelfth more bytes.
        settings.speed_settings.transform.tx_domain_rate = true;
        // Edges on screens are upright or level. Angles between cost time and win nothing.
        settings.speed_settings.prediction.fine_directional_intra = false;
        // Made for camera pictures: on screens it costs time and makes them worse.
        settings.speed_settings.cdef = false;
        let context = Config::new()
            .with_encoder_config(settings)
            .with_threads(THREADS)
            .new_context()
            .map_err(|error| CaptureError::Settings { words: error.to_string() })?;
        Ok(Self { context, pushed: 0 })
    }

    /// Takes the next picture, gives the packets that are ready: often those of pictures before.
    pub(super) fn push(&mut self, planes: &Planes, key: bool) -> Result<Vec<Packet>, CaptureError> {
        let mut frame = self.context.new_frame();
        let width = planes.canvas.width() as usize;
        let strides = [width, width / 2, width / 2];
        for (plane, (bytes, stride)) in
            frame.planes.iter_mut().zip(planes.all().iter().zip(strides))
        {
            plane.copy_from_raw_u8(bytes, stride, 1);
        }
        let frame_type_override = if key { FrameTypeOverride::Key } else { FrameTypeOverride::No };
        let order = FrameParameters { frame_type_override, ..Default::default() };
        self.pushed += 1;
        self.context.send_frame((Arc::new(frame), order)).map_err(|status| self.failed(status))?;
        self.receive()
    }

    /// The packets of all pictures that are still held back.
    pub(super) fn finish(mut self) -> Result<Vec<Packet>, CaptureError> {
        self.context.flush();
        self.receive()
    }

    fn receive(&mut self) -> Result<Vec<Packet>, CaptureError> {
        let mut packets = Vec::new();
        loop {
            match self.context.receive_packet() {
                Ok(packet) => packets
                    .push(Packet { key: packet.frame_type == FrameType::KEY, data: packet.data }),
                Err(EncoderStatus::Encoded) => {}
                Err(EncoderStatus::NeedMoreData | EncoderStatus::LimitReached) => break,
                Err(
                    status @ (EncoderStatus::EnoughData
                    | EncoderStatus::Failure
                    | EncoderStatus::NotReady),
                ) => return Err(self.failed(status)),
            }
        }
        Ok(packets)
    }

    fn failed(&self, status: EncoderStatus) -> CaptureError {
        CaptureError::Encode { number: self.pushed, words: status.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;

    #[test]
    fn every_picture_becomes_one_packet_and_groups_start_where_asked() {
        let canvas = Canvas::new(64, 48);
        let mut encoder = Encoder::new(canvas).unwrap();
        let mut planes = Planes::black(canvas);
        let mut packets = Vec::new();
        for number in 0..150_u16 {
            let grey = u8::try_from(number % 200).unwrap();
            planes.draw(&Arc::new(Picture::filled(64, 48, [grey; 3])));
            packets.extend(encoder.push(&planes, number % 140 == 0).unwrap());
        }
        let held_back = 150 - packets.len();
        assert!((1..8).contains(&held_back), "{held_back}");
        packets.extend(encoder.finish().unwrap());
        let keys: Vec<usize> = (0..packets.len()).filter(|at| packets[*at].key).collect();
        assert_eq!((packets.len(), keys), (150, vec![0, 140]));
    }
}
