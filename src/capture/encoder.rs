//! Planes of 8 bit 4:2:0 pictures to AV1: the only file that names rav1e.
//!
//! The settings favour what a lab sees: text, flat areas, and long times in which nothing moves.
//! rav1e 0.8 has no tools for screen content, so small blocks carry text and large ones the empty
//! rest. It keeps a few pictures back to look ahead and knows no times; whoever pushes keeps the
//! times, and pushes on.

use std::sync::Arc;

use rav1e::prelude::{
    BlockSize, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig, EncoderStatus,
    FrameParameters, FrameType, FrameTypeOverride, MatrixCoefficients, PartitionRange, PixelRange,
    Rational, SceneDetectionSpeed, TransferCharacteristics, Tune,
};

/// 0 is without loss, 255 the worst.
const QUANTIZER: usize = 80;
/// More would wait for each other: one picture is one tile.
const THREADS: usize = 1;

#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    #[error("the encoder refuses pictures of {width}x{height}: {words}")]
    Settings { width: usize, height: usize, words: String },
    #[error("the encoder failed at picture {number}: {words}")]
    Encode { number: u64, words: String },
}

/// One encoded picture, in the order the pictures were pushed.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) data: Vec<u8>,
    /// Whether a player can start here.
    pub(super) key: bool,
}

/// One stream of pictures of one size.
#[derive(Debug)]
pub(super) struct Encoder {
    context: Context<u8>,
    width: usize,
    pushed: u64,
}

impl Encoder {
    /// # Errors
    /// When rav1e cannot encode pictures of this size (in pixels, even).
    pub(super) fn new(width: usize, height: usize) -> Result<Self, EncoderError> {
        let mut settings = EncoderConfig::with_speed_preset(10);
        (settings.width, settings.height) = (width, height);
        settings.time_base = Rational::new(1, 10);
        settings.pixel_range = PixelRange::Limited;
        settings.color_description = Some(ColorDescription {
            color_primaries: ColorPrimaries::BT709,
            transfer_characteristics: TransferCharacteristics::BT709,
            matrix_coefficients: MatrixCoefficients::BT709,
        });
        // Groups start where the caller says, and nowhere else.
        (settings.min_key_frame_interval, settings.max_key_frame_interval) = (0, 0);
        settings.low_latency = true;
        settings.quantizer = QUANTIZER;
        settings.tune = if std::env::var("TUNE").is_ok() { Tune::Psychovisual } else { Tune::Psnr };
        let speed = &mut settings.speed_settings;
        speed.scene_detection_mode = SceneDetectionSpeed::None;
        speed.rdo_lookahead_frames = 1;
        if std::env::var("PLAIN").is_err() {
            speed.partition.partition_range =
                PartitionRange::new(BlockSize::BLOCK_8X8, BlockSize::BLOCK_64X64);
        }
        if std::env::var("CDEF").is_ok() {
            speed.cdef = false;
        }
        let context = Config::new()
            .with_encoder_config(settings)
            .with_threads(std::env::var("THREADS").map_or(THREADS, |q| q.parse().unwrap()))
            .new_context()
            .map_err(|error| EncoderError::Settings { width, height, words: error.to_string() })?;
        Ok(Self { context, width, pushed: 0 })
    }

    /// Takes the next picture, as brightness and two colour planes of half the size each way, and
    /// gives the packets that are ready: often those of pictures before.
    ///
    /// # Errors
    /// When rav1e fails, which is an error of it or of ours.
    pub(super) fn push(
        &mut self,
        planes: [&[u8]; 3],
        key: bool,
    ) -> Result<Vec<Packet>, EncoderError> {
        let mut frame = self.context.new_frame();
        let strides = [self.width, self.width / 2, self.width / 2];
        for (plane, (bytes, stride)) in frame.planes.iter_mut().zip(planes.iter().zip(strides)) {
            plane.copy_from_raw_u8(bytes, stride, 1);
        }
        let frame_type_override = if key { FrameTypeOverride::Key } else { FrameTypeOverride::No };
        let order = FrameParameters { frame_type_override, ..Default::default() };
        self.pushed += 1;
        self.context.send_frame((Arc::new(frame), order)).map_err(|status| self.failed(status))?;
        self.receive()
    }

    /// The packets of all pictures that are still held back.
    ///
    /// # Errors
    /// As for [`Encoder::push`].
    pub(super) fn finish(mut self) -> Result<Vec<Packet>, EncoderError> {
        self.context.flush();
        self.receive()
    }

    fn receive(&mut self) -> Result<Vec<Packet>, EncoderError> {
        let mut packets = Vec::new();
        loop {
            match self.context.receive_packet() {
                Ok(packet) => {
                    let key = packet.frame_type == FrameType::KEY;
                    packets.push(Packet { data: packet.data, key });
                }
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

    fn failed(&self, status: EncoderStatus) -> EncoderError {
        EncoderError::Encode { number: self.pushed, words: status.to_string() }
    }
}
