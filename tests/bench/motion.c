/* guac-motion: what moves on a bench's desktop. Draws on the X server of DISPLAY, the same frames
 * in the same order for whoever watches, and nothing else.
 *
 *   guac-motion MODE HZ SECONDS
 *
 * MODE: mixed (a film in the upper left quarter, a terminal's text scrolling beside and below it),
 * film (the film alone), scroll (text over the whole screen), still (one picture of all that). The
 * film is a photograph-like picture that pans, changes its light and has grain of its own in each
 * frame, so that no frame is a moved copy of another. Text is scrolled as terminals do: a copy of
 * the area and one new line. Ends after SECONDS; what was drawn last stays. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include <xcb/shm.h>
#include <xcb/xcb.h>

#define FILM_FRAMES 24 /* there and back again */
#define LINE 13        /* of the font `fixed` */
#define COLUMN 6

struct stage {
    xcb_connection_t *x;
    xcb_window_t window;
    xcb_gcontext_t text, blank, copy;
    int width, height;
    int film_width, film_height; /* 0: none */
    xcb_shm_seg_t segment;
    uint32_t *film;
    unsigned line;
};

static void die(const char *what) {
    fprintf(stderr, "guac-motion: %s\n", what);
    exit(1);
}

static unsigned dice(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 24;
}

static uint32_t level(double v, int grain) {
    int n = (int)v + grain;
    return (uint32_t)(n < 0 ? 0 : n > 255 ? 255 : n);
}

static void paint_film(struct stage *s) {
    uint32_t seed = 7;
    for (int f = 0; f < FILM_FRAMES; f++) {
        uint32_t *to = s->film + (size_t)f * (size_t)(s->film_width * s->film_height);
        double light = 0.85 + 0.15 * sin(f * 0.26);
        for (int y = 0; y < s->film_height; y++)
            for (int x = 0; x < s->film_width; x++) {
                double u = x + 3.0 * f, v = y + 1.5 * f;
                double blob = sin(u * 0.011) * cos(v * 0.017) + 0.4 * sin((u + v) * 0.05) +
                              0.2 * sin(u * 0.21) * sin(v * 0.19);
                int grain = (int)(dice(&seed) % 7) - 3;
                *to++ = level(light * (128 + 70 * blob), grain) << 16 |
                        level(light * (120 + 60 * sin(blob * 2 + 1)), grain) << 8 |
                        level(light * (110 + 80 * cos(blob * 1.5)), grain);
            }
    }
}

static void make_film(struct stage *s) {
    size_t bytes = (size_t)s->film_width * (size_t)s->film_height * 4 * FILM_FRAMES;
    int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
    s->film = id < 0 ? NULL : shmat(id, NULL, 0);
    if (!s->film || s->film == (void *)-1)
        die("no shared memory");
    s->segment = xcb_generate_id(s->x);
    free(xcb_request_check(s->x, xcb_shm_attach_checked(s->x, s->segment, (uint32_t)id, 1)));
    shmctl(id, IPC_RMID, NULL);
    paint_film(s);
}

static void show_film(struct stage *s, unsigned tick) {
    unsigned round = 2 * FILM_FRAMES - 2, at = tick % round;
    unsigned frame = at < FILM_FRAMES ? at : round - at;
    uint32_t offset = frame * (uint32_t)(s->film_width * s->film_height) * 4;
    xcb_shm_put_image(s->x, s->window, s->copy, (uint16_t)s->film_width, (uint16_t)s->film_height,
                      0, 0, (uint16_t)s->film_width, (uint16_t)s->film_height, 0, 0, 24,
                      XCB_IMAGE_FORMAT_Z_PIXMAP, 0, s->segment, offset);
}

/* One more line at the foot of an area that scrolls. */
static void scroll(struct stage *s, int x, int y, int width, int height) {
    if (width < COLUMN || height < 2 * LINE)
        return;
    char text[255];
    int count = width / COLUMN < (int)sizeof(text) ? width / COLUMN : (int)sizeof(text);
    uint32_t seed = s->line++;
    for (int i = 0; i < count; i++)
        text[i] = dice(&seed) < 40 ? ' ' : (char)('!' + dice(&seed) % 90);
    int foot = y + height - LINE;
    xcb_copy_area(s->x, s->window, s->window, s->copy, (int16_t)x, (int16_t)(y + LINE), (int16_t)x,
                  (int16_t)y, (uint16_t)width, (uint16_t)(height - LINE));
    const xcb_rectangle_t r = { (int16_t)x, (int16_t)foot, (uint16_t)width, LINE };
    xcb_poly_fill_rectangle(s->x, s->window, s->blank, 1, &r);
    xcb_image_text_8(s->x, (uint8_t)count, s->window, s->text, (int16_t)x,
                     (int16_t)(foot + LINE - 3), text);
}

static void step(struct stage *s, unsigned tick, bool moves) {
    if (s->film_width)
        show_film(s, moves ? tick : 0);
    scroll(s, s->film_width, 0, s->width - s->film_width,
           s->film_width ? s->film_height : s->height);
    if (s->film_width)
        scroll(s, 0, s->film_height, s->width, s->height - s->film_height);
    xcb_flush(s->x);
}

static xcb_gcontext_t pen(struct stage *s, uint32_t ink, uint32_t paper, xcb_font_t font) {
    xcb_gcontext_t gc = xcb_generate_id(s->x);
    const uint32_t values[] = { ink, paper, font, 0 };
    xcb_create_gc(s->x, gc, s->window,
                  XCB_GC_FOREGROUND | XCB_GC_BACKGROUND | XCB_GC_FONT | XCB_GC_GRAPHICS_EXPOSURES,
                  values);
    return gc;
}

static void open_stage(struct stage *s) {
    int screen;
    s->x = xcb_connect(NULL, &screen);
    if (xcb_connection_has_error(s->x))
        die("no X server");
    xcb_screen_t *root = xcb_setup_roots_iterator(xcb_get_setup(s->x)).data;
    s->width = root->width_in_pixels;
    s->height = root->height_in_pixels;
    s->window = xcb_generate_id(s->x);
    const uint32_t values[] = { 0x101418, 1 }; /* no window manager's frame */
    xcb_create_window(s->x, XCB_COPY_FROM_PARENT, s->window, root->root, 0, 0, (uint16_t)s->width,
                      (uint16_t)s->height, 0, XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
                      XCB_CW_BACK_PIXEL | XCB_CW_OVERRIDE_REDIRECT, values);
    xcb_font_t font = xcb_generate_id(s->x);
    xcb_open_font(s->x, font, 5, "fixed");
    s->text = pen(s, 0xD0D8E0, 0x101418, font);
    s->blank = pen(s, 0x101418, 0x101418, font);
    s->copy = pen(s, 0, 0, font);
    xcb_map_window(s->x, s->window);
    xcb_flush(s->x);
    usleep(200000);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 4 || atof(argv[2]) <= 0) {
        fprintf(stderr, "usage: guac-motion mixed|film|scroll|still HZ SECONDS\n");
        return 2;
    }
    struct stage s = { 0 };
    open_stage(&s);
    bool moves = strcmp(argv[1], "still") != 0;
    if (strcmp(argv[1], "scroll") != 0) {
        bool whole = strcmp(argv[1], "film") == 0;
        s.film_width = whole ? s.width : s.width / 2;
        s.film_height = whole ? s.height : s.height / 2;
        make_film(&s);
    }
    for (int i = 0; i < 100; i++) /* a screen full of text */
        step(&s, 0, moves);
    double began = now(), hz = atof(argv[2]), seconds = atof(argv[3]);
    for (unsigned tick = 0; now() < began + seconds; tick++) {
        if (moves || tick == 0)
            step(&s, tick, moves);
        double wait = began + (tick + 1) / hz - now();
        if (wait > 0)
            usleep((useconds_t)(wait * 1e6));
    }
    printf("drawn\n");
    fflush(stdout);
    free(xcb_get_input_focus_reply(s.x, xcb_get_input_focus(s.x), NULL)); /* all of it is there */
    pause(); /* the window stays until we are ended */
    return 0;
}
