#include "guacd/display/jpeg.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it first */
#include <stdlib.h>

#include <jpeglib.h>

#define PIECE 16384 /* of the buffer, at a time */

struct jpeg_encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr error;
    struct jpeg_destination_mgr to;
    struct buf *out;
    jmp_buf failed;
};

/* libjpeg calls this instead of returning an error. */
static void on_error(j_common_ptr jpeg) {
    struct jpeg_encoder *e = jpeg->client_data;
    longjmp(e->failed, 1);
}

static void on_message(j_common_ptr jpeg, int level) {
    (void)jpeg;
    (void)level;
}

static void next_piece(struct jpeg_encoder *e) {
    char *room = buf_reserve(e->out, PIECE);
    if (!room)
        longjmp(e->failed, 1);
    e->to.next_output_byte = (JOCTET *)room;
    e->to.free_in_buffer = PIECE;
}

static void on_begin(j_compress_ptr jpeg) {
    next_piece(jpeg->client_data);
}

static boolean on_full(j_compress_ptr jpeg) {
    struct jpeg_encoder *e = jpeg->client_data;
    e->out->len += PIECE;
    next_piece(e);
    return TRUE;
}

static void on_end(j_compress_ptr jpeg) {
    struct jpeg_encoder *e = jpeg->client_data;
    e->out->len += PIECE - e->to.free_in_buffer;
}

static bool create(struct jpeg_encoder *e) {
    if (setjmp(e->failed))
        return false;
    jpeg_create_compress(&e->jpeg);
    return true;
}

struct jpeg_encoder *jpeg_encoder_new(void) {
    struct jpeg_encoder *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->jpeg.err = jpeg_std_error(&e->error);
    e->error.error_exit = on_error;
    e->error.emit_message = on_message;
    e->jpeg.client_data = e; /* kept by jpeg_create_compress() */
    if (!create(e)) {
        free(e);
        return NULL;
    }
    e->to.init_destination = on_begin;
    e->to.empty_output_buffer = on_full;
    e->to.term_destination = on_end;
    e->jpeg.dest = &e->to;
    return e;
}

void jpeg_encoder_free(struct jpeg_encoder *e) {
    if (e)
        jpeg_destroy_compress(&e->jpeg);
    free(e);
}

static void set_up(struct jpeg_compress_struct *jpeg, int width, int height, int quality,
                   bool full) {
    jpeg->image_width = (JDIMENSION)width;
    jpeg->image_height = (JDIMENSION)height;
    jpeg->input_components = 4;
    jpeg->in_color_space = JCS_EXT_BGRX;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = full ? 1 : 2;
}

static int encode(struct jpeg_encoder *e, const uint32_t *pixels, size_t stride) {
    if (setjmp(e->failed))
        return -1;
    jpeg_start_compress(&e->jpeg, TRUE);
    while (e->jpeg.next_scanline < e->jpeg.image_height) {
        union { /* libjpeg only reads, but does not say so */
            const uint32_t *pixels;
            JSAMPLE *samples;
        } row = { pixels + e->jpeg.next_scanline * stride };
        jpeg_write_scanlines(&e->jpeg, &row.samples, 1);
    }
    jpeg_finish_compress(&e->jpeg);
    return 0;
}

int jpeg_encode(struct jpeg_encoder *e, const uint32_t *pixels, size_t stride, int width,
                int height, int quality, bool full, struct buf *out) {
    if (width < 1 || height < 1 || width > JPEG_SIDE_MAX || height > JPEG_SIDE_MAX)
        return -1;
    size_t before = out->len;
    bool failed = out->failed;
    e->out = out;
    set_up(&e->jpeg, width, height, quality, full);
    if (encode(e, pixels, stride) == 0)
        return 0;
    jpeg_abort_compress(&e->jpeg);
    out->len = before;
    out->failed = failed;
    return -1;
}
