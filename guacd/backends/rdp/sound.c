/* Sound (MS-RDPEA): the library's channel asks for a device; ours passes samples on. */
#include <stdlib.h>
#include <string.h>

#include "guacd/backends/rdp/rdp.h"
#include "guacd/base/util.h"

#define RATE_MAX 48000

struct device {
    rdpsndDevicePlugin base; /* first: the library knows no more */
    struct audio_format format;
};

static BOOL is_supported(rdpsndDevicePlugin *base, const AUDIO_FORMAT *f) {
    (void)base;
    return f->wFormatTag == WAVE_FORMAT_PCM && (f->nChannels == 1 || f->nChannels == 2) &&
           (f->wBitsPerSample == 8 || f->wBitsPerSample == 16) && f->nSamplesPerSec > 0 &&
           f->nSamplesPerSec <= RATE_MAX;
}

static BOOL on_open(rdpsndDevicePlugin *base, const AUDIO_FORMAT *f, UINT32 latency) {
    (void)latency;
    struct device *d = (struct device *)base;
    if (!is_supported(base, f))
        return FALSE;
    d->format = (struct audio_format){ .rate = f->nSamplesPerSec,
                                       .channels = f->nChannels,
                                       .bits = f->wBitsPerSample };
    return TRUE;
}

static UINT on_play(rdpsndDevicePlugin *base, const BYTE *data, size_t size) {
    const struct device *d = (const struct device *)base;
    const struct rdp *r = rdp_of(freerdp_rdpsnd_get_context(base->rdpsnd));
    size_t frame = d->format.channels * d->format.bits / 8u;
    for (size_t at = 0, n; frame && at < size; at += n) {
        n = MIN_OF(size - at, AUDIO_MAX / frame * frame);
        session_audio(r->session, &d->format, data + at, n);
    }
    return 0; /* milliseconds until it is heard: not known here */
}

static BOOL on_volume(rdpsndDevicePlugin *base, UINT32 value) {
    (void)base, (void)value;
    return TRUE; /* the browser has its own */
}

static void on_close(rdpsndDevicePlugin *base) {
    (void)base;
}

static void on_free(rdpsndDevicePlugin *base) {
    free(base);
}

UINT VCAPITYPE rdp_sound_entry(PFREERDP_RDPSND_DEVICE_ENTRY_POINTS entry) {
    struct device *d = calloc(1, sizeof(*d));
    if (!d)
        return CHANNEL_RC_NO_MEMORY;
    d->base.FormatSupported = is_supported;
    d->base.Open = on_open;
    d->base.Play = on_play;
    d->base.SetVolume = on_volume;
    d->base.Close = on_close;
    d->base.Free = on_free;
    entry->pRegisterRdpsndDevice(entry->rdpsnd, &d->base);
    return CHANNEL_RC_OK;
}

bool rdp_sound_init(struct rdp *r) {
    static const char *const params[] = { RDPSND_CHANNEL_NAME, "sys:" RDP_SUBSYSTEM };
    rdpSettings *s = r->context->settings;
    return args_bool(r->args, "disable-audio") ||
           (freerdp_settings_set_bool(s, FreeRDP_AudioPlayback, TRUE) &&
            freerdp_client_add_static_channel(s, ARRAY_LEN(params), params) &&
            freerdp_client_add_dynamic_channel(s, ARRAY_LEN(params), params));
}
