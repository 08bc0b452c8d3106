/* PNG by libpng, JPEG by libjpeg-turbo, with the switches that TensorFlow sets, so that a picture gives the scores it
 * gives there. Both libraries leave by longjmp: that stays inside the functions of this file, which own nothing but
 * what their context struct holds. Knows no request and no model. */
#include "serve/body/image.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

enum { SCANS_MOST = 100, CHUNK_MOST = 8 * 1048576 };

static bool is_png(struct mlaas_slice file) { return file.size >= 8 && memcmp(file.data, "\x89PNG\r\n\x1a\n", 8) == 0; }

static bool is_jpeg(struct mlaas_slice file) { return file.size >= 3 && memcmp(file.data, "\xff\xd8\xff", 3) == 0; }

static enum mlaas_status check_size(int64_t height, int64_t width, int64_t pixels_most, struct mlaas_error *error) {
  if (height < 1 || width < 1)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the image has no pixels");
  if (height > pixels_most / width)
    return mlaas_fail(error, MLAAS_LIMIT, "the image has %lld x %lld pixels; %lld in all are allowed", (long long)width,
                      (long long)height, (long long)pixels_most);
  return MLAAS_OK;
}

/* What is being decoded: bytes of one picture, `channels` a pixel. */
struct picture {
  struct mlaas_slice file;
  int channels;
  int64_t pixels_most;
  struct mlaas_arena *arena;
  size_t reserve; /* bytes in front of the pixels, where they grow into when they become numbers */
  struct mlaas_image_size size;
  unsigned char *memory, *pixels;
  enum mlaas_status status; /* what went wrong before a jump */
  struct mlaas_error error;
  char words[160]; /* of the library */
};

/* Room for the pixels of a picture whose size is known, and the row pointers where wanted. */
static bool make_room(struct picture *picture, size_t element) {
  int64_t height = picture->size.height, width = picture->size.width;
  picture->status = check_size(height, width, picture->pixels_most, &picture->error);
  if (picture->status != MLAAS_OK)
    return false;
  size_t count = (size_t)height * (size_t)width * (size_t)picture->channels;
  picture->memory = mlaas_arena_alloc(picture->arena, count, element, &picture->error);
  picture->status = picture->memory ? MLAAS_OK : picture->error.status;
  picture->pixels = picture->memory ? picture->memory + count * (element - 1) : NULL;
  return picture->memory != NULL;
}

static enum mlaas_status fail_picture(const struct picture *picture, const char *kind, struct mlaas_error *error) {
  if (picture->status != MLAAS_OK) {
    if (error)
      *error = picture->error;
    return picture->status;
  }
  return mlaas_fail(error, MLAAS_ARGUMENT, "Invalid image: %s: %s", kind,
                    picture->words[0] ? picture->words : "it cannot be decoded");
}

/* ---- PNG ---- */

struct png_reader {
  struct picture *picture;
  png_structp png;
  png_infop info;
  size_t at;
  size_t element;
  png_bytepp rows;
};

static void png_failed(png_structp png, png_const_charp text) {
  struct png_reader *reader = png_get_error_ptr(png);
  snprintf(reader->picture->words, sizeof reader->picture->words, "%s", text);
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void png_take(png_structp png, png_bytep into, size_t size) {
  struct png_reader *reader = png_get_io_ptr(png);
  if (size > reader->picture->file.size - reader->at)
    png_error(png, "the file ends too early");
  memcpy(into, reader->picture->file.data + reader->at, size);
  reader->at += size;
}

/* The transformations that TensorFlow's DecodePng asks for, in its order. Its weights for gray are red 0.299 and green
 * 0.114, the rest blue: models were trained with that. */
static void png_transform(struct png_reader *reader) {
  png_structp png = reader->png;
  png_infop info = reader->info;
  int color = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  bool has_alpha = color & PNG_COLOR_MASK_ALPHA, has_key = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  bool is_gray = !(color & PNG_COLOR_MASK_COLOR);
  if (reader->picture->channels % 2 == 0) {
    if (has_key)
      png_set_tRNS_to_alpha(png);
    else if (!has_alpha)
      png_set_add_alpha(png, (1 << depth) - 1, PNG_FILLER_AFTER);
  } else if (has_alpha || has_key) {
    png_set_strip_alpha(png);
  }
  if (depth > 8)
    png_set_strip_16(png);
  png_set_packing(png);
  if (color == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(png);
  if (is_gray && depth < 8)
    png_set_expand_gray_1_2_4_to_8(png);
  if (reader->picture->channels < 3 && !is_gray)
    png_set_rgb_to_gray(png, PNG_ERROR_ACTION_NONE, 0.299, 0.587);
  else if (reader->picture->channels >= 3 && is_gray)
    png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

static bool png_make_rows(struct png_reader *reader) {
  struct picture *picture = reader->picture;
  size_t stride = (size_t)picture->size.width * (size_t)picture->channels;
  if (png_get_rowbytes(reader->png, reader->info) != stride)
    png_error(reader->png, "its channels are not understood");
  reader->rows = mlaas_arena_alloc(picture->arena, (size_t)picture->size.height, sizeof *reader->rows, &picture->error);
  if (!reader->rows) {
    picture->status = picture->error.status;
    return false;
  }
  for (int64_t i = 0; i < picture->size.height; i++)
    reader->rows[i] = picture->pixels + (size_t)i * stride;
  return true;
}

/* False: see picture->status and words. Nothing but the struct is touched after the jump. */
static bool png_run(struct png_reader *reader, bool head_only) {
  struct picture *picture = reader->picture;
  if (setjmp(png_jmpbuf(reader->png)))
    return false;
  png_set_read_fn(reader->png, reader, png_take);
  png_set_user_limits(reader->png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(reader->png, CHUNK_MOST);
  png_set_chunk_cache_max(reader->png, 128);
  png_read_info(reader->png, reader->info);
  picture->size.width = png_get_image_width(reader->png, reader->info);
  picture->size.height = png_get_image_height(reader->png, reader->info);
  picture->status = check_size(picture->size.height, picture->size.width, picture->pixels_most, &picture->error);
  if (picture->status != MLAAS_OK || head_only)
    return picture->status == MLAAS_OK;
  png_transform(reader);
  if (!make_room(picture, reader->element) || !png_make_rows(reader))
    return false;
  png_read_image(reader->png, reader->rows);
  png_read_end(reader->png, NULL);
  return true;
}

static bool png_read(struct picture *picture, bool head_only, size_t element) {
  struct png_reader reader = {.picture = picture, .element = element};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, png_failed, png_warned);
  reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
  bool good = false;
  if (reader.info)
    good = png_run(&reader, head_only);
  else
    picture->status = mlaas_fail(&picture->error, MLAAS_MEMORY, "out of memory for an image");
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  return good;
}

/* ---- JPEG ---- */

struct jpeg_reader {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  struct picture *picture;
  jmp_buf leave;
  size_t element;
  unsigned char *row; /* of four-colour pictures */
};

static void jpeg_leave(j_common_ptr jpeg) {
  struct jpeg_reader *reader = jpeg->client_data;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  snprintf(reader->picture->words, sizeof reader->picture->words, "%.150s", text);
  longjmp(reader->leave, 1);
}

/* Corrupt data is a warning to libjpeg, which then makes something up; a file that ends early is no image. */
static void jpeg_message(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF)
    jpeg_leave(jpeg);
}

/* A progressive file may go over its pixels thousands of times. */
static void jpeg_watch(j_common_ptr jpeg) {
  struct jpeg_reader *reader = jpeg->client_data;
  if (!jpeg->is_decompressor || reader->jpeg.input_scan_number <= SCANS_MOST)
    return;
  snprintf(reader->picture->words, sizeof reader->picture->words, "more than %d scans", SCANS_MOST);
  longjmp(reader->leave, 1);
}

/* As TensorFlow makes three colours of four, for files as Adobe writes them (inverted) and others. */
static void cmyk_to_rgb(const unsigned char *from, unsigned char *into, int64_t pixels, bool inverted) {
  for (int64_t i = 0; i < pixels; i++, from += 4, into += 3) {
    int k = from[3];
    for (int c = 0; c < 3; c++)
      into[c] = (unsigned char)(inverted ? (k * from[c]) / 255 : (255 - k) * (255 - from[c]) / 255);
  }
}

static bool jpeg_run(struct jpeg_reader *reader, bool head_only) {
  struct jpeg_decompress_struct *jpeg = &reader->jpeg;
  struct picture *picture = reader->picture;
  if (setjmp(reader->leave))
    return false;
  jpeg_create_decompress(jpeg);
  jpeg->client_data = reader;
  jpeg->progress = &reader->progress;
  jpeg->mem->max_memory_to_use =
      64 * 1048576L + (long)(picture->pixels_most < (1 << 30) ? picture->pixels_most : 0) * 6;
  jpeg_mem_src(jpeg, (const unsigned char *)picture->file.data, (unsigned long)picture->file.size);
  jpeg_read_header(jpeg, TRUE);
  picture->size = (struct mlaas_image_size){jpeg->image_height, jpeg->image_width};
  picture->status = check_size(picture->size.height, picture->size.width, picture->pixels_most, &picture->error);
  if (picture->status != MLAAS_OK || head_only)
    return picture->status == MLAAS_OK;
  bool four = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
  if (picture->channels == 1)
    jpeg->out_color_space = JCS_GRAYSCALE;
  else
    jpeg->out_color_space = four ? JCS_CMYK : JCS_RGB;
  jpeg->dct_method = JDCT_IFAST; /* TensorFlow's default */
  jpeg_start_decompress(jpeg);
  if (!make_room(picture, reader->element))
    return false;
  size_t stride = (size_t)picture->size.width * (size_t)picture->channels;
  four = four && picture->channels == 3;
  if (four && !(reader->row = mlaas_arena_alloc(picture->arena, (size_t)picture->size.width, 4, &picture->error))) {
    picture->status = picture->error.status;
    return false;
  }
  while (jpeg->output_scanline < jpeg->output_height) {
    unsigned char *into = picture->pixels + jpeg->output_scanline * stride, *row = four ? reader->row : into;
    if (jpeg_read_scanlines(jpeg, &row, 1) != 1)
      return false;
    if (four)
      cmyk_to_rgb(row, into, picture->size.width, jpeg->saw_Adobe_marker);
  }
  jpeg_finish_decompress(jpeg);
  return true;
}

static bool jpeg_read(struct picture *picture, bool head_only, size_t element) {
  struct jpeg_reader reader = {.picture = picture, .element = element};
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.jpeg.client_data = &reader; /* create may already fail */
  reader.errors.error_exit = jpeg_leave;
  reader.errors.emit_message = jpeg_message;
  reader.progress.progress_monitor = jpeg_watch;
  bool good = jpeg_run(&reader, head_only);
  jpeg_destroy_decompress(&reader.jpeg);
  return good;
}

/* ---- both ---- */

static enum mlaas_status read_picture(struct picture *picture, bool head_only, size_t element,
                                      struct mlaas_error *error) {
  if (is_png(picture->file))
    return png_read(picture, head_only, element) ? MLAAS_OK : fail_picture(picture, "PNG", error);
  if (is_jpeg(picture->file))
    return jpeg_read(picture, head_only, element) ? MLAAS_OK : fail_picture(picture, "JPEG", error);
  return mlaas_fail(error, MLAAS_ARGUMENT, "Invalid image: it is neither PNG nor JPEG");
}

enum mlaas_status mlaas_image_measure(struct mlaas_slice file, int64_t pixels_most, struct mlaas_image_size *size,
                                      struct mlaas_error *error) {
  struct picture picture = {.file = file, .pixels_most = pixels_most, .channels = 1};
  MLAAS_TRY(read_picture(&picture, true, 1, error));
  *size = picture.size;
  return MLAAS_OK;
}

enum mlaas_status mlaas_image_decode(struct mlaas_slice file, int channels, enum mlaas_dtype dtype, int64_t pixels_most,
                                     struct mlaas_arena *arena, struct mlaas_tensor *tensor,
                                     struct mlaas_error *error) {
  size_t element = dtype == MLAAS_DTYPE_FLOAT32 ? sizeof(float) : 1;
  struct picture picture = {.file = file, .channels = channels, .pixels_most = pixels_most, .arena = arena};
  if (dtype != MLAAS_DTYPE_FLOAT32 && dtype != MLAAS_DTYPE_UINT8)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "images become FP32 or UINT8, not what the model's input takes");
  if (channels != 1 && channels != 3 && !(channels == 4 && !is_jpeg(file)))
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "an image cannot be read with %d channels", channels);
  MLAAS_TRY(read_picture(&picture, false, element, error));
  size_t count = (size_t)picture.size.height * (size_t)picture.size.width * (size_t)channels;
  if (element == sizeof(float)) {
    /* The bytes lie at the end of the memory: each number is written where bytes have been read already. */
    float *numbers = (float *)(void *)picture.memory;
    for (size_t i = 0; i < count; i++)
      numbers[i] = picture.pixels[i];
  }
  *tensor = (struct mlaas_tensor){
      .dtype = dtype,
      .num_dims = 4,
      .shape = {1, picture.size.height, picture.size.width, channels},
      .data = picture.memory,
      .size = count * element,
  };
  return MLAAS_OK;
}
