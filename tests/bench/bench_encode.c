/*
 * What our encoder costs beside the libraries it stands on, in one run and interleaved: (a) cJSON
 * parsing and freeing a record, and avro-c filling and writing its values, with nothing looked up,
 * checked or converted; (b) the encoder, parse included, on the same record. CPU time of the
 * thread, since others may have their turn in between. Prints medians and their ratio; exits 1 when
 * the ratio is above the target, 70 when the two write different bytes.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/attributes.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/wire.h"
#include "tests/bench/bare.h"
#include "tests/bench/bare_record.h"

#define TARGET    2.0
#define ROUNDS    4000
#define A_ROUND   8 /* records; few, so that both sides meet the same state of the machine */
#define WARM_UP   100
#define FRAME     8192
#define MAXIMUM   ((size_t)1 << 20)
#define SCHEMA_ID 1

/* A resident with one lease and one pet: 61 fields. */
static const char RECORD[] =
    "{\"id\":\"clx3k2v9f0001qz8h4m7t5b2n\",\"created_at\":\"2025-11-03T09:15:27.412Z\","
    "\"updated_at\":\"2026-02-10T17:42:03.958Z\",\"last_seen\":\"2026-02-12T00:10:44Z\","
    "\"x_id\":\"t0084417\",\"x_lease_id\":\"L-20931\",\"leases_meta_data\":[{\"lease_id\":"
    "\"clx3k2v9f0002qz8h9p1c6d4e\",\"x_resident_type\":\"Primary\",\"resident_type_normalized\":"
    "\"PRIMARY\",\"move_in_date\":\"2025-12-01\",\"move_out_date\":\"2026-11-30\",\"notice_date\":"
    "\"2026-10-01\",\"custom_data\":{\"occupants\":2,\"renewal\":true}}],\"address_1_alternate\":"
    "\"PO Box 1188\",\"address_1\":\"4821 Maple Ridge Drive\",\"address_2_alternate\":\"Suite 4\","
    "\"address_2\":\"Apt 3B\",\"balance_in_cents\":125050.5,\"city_alternate\":\"Round Rock\","
    "\"city\":\"Austin\",\"country_alternate\":\"USA\",\"country\":\"USA\",\"custom_data\":"
    "{\"portal\":true,\"tags\":[\"vip\",\"autopay\"],\"score\":712},\"date_of_birth\":"
    "\"1988-04-17\",\"email_1\":\"maria.gonzalez@example.com\",\"email_2\":\"mg88@example.org\","
    "\"first_name\":\"Maria\",\"is_employee\":false,\"last_name\":\"Gonz\xc3\xa1lez\","
    "\"late_balance_in_cents\":0,\"middle_name\":\"Elena\",\"notes\":\"Prefers text messages; gate "
    "code on file. Asked about renewing for eighteen months, and about a second parking space near "
    "the east entrance when one comes free. Emergency contact is her sister, see the application; "
    "last inspection found nothing to "
    "mend.\",\"phone_1_type\":\"MOBILE\",\"phone_1\":\"512-555-0144\",\"phone_2_type\":"
    "\"WORK\",\"phone_2\":\"512-555-0199\",\"state_alternate\":\"TX\",\"state\":\"TX\","
    "\"zip_alternate\":\"78664\",\"zip\":\"78745\",\"pets\":[{\"id\":\"clx3k2v9f0003qz8hb8w2x7y1\","
    "\"created_at\":\"2025-11-03T09:15:27.500Z\",\"updated_at\":\"2025-11-03T09:15:27.500Z\","
    "\"last_seen\":\"2026-02-12T00:10:44Z\",\"x_id\":\"P-771\",\"name\":\"Biscuit\",\"type\":"
    "\"Dog\",\"breed\":\"Beagle\",\"gender_raw\":\"F\",\"age_in_years\":4,\"weight_in_pounds\":"
    "23.5,\"is_fixed\":true,\"is_service_animal\":false,\"notes\":\"Friendly\",\"custom_data\":"
    "{}}],\"vehicles\":[],\"integration_id\":\"clw9d1a7c0000qz8hf3k5j2m8\",\"integration_vendor\":"
    "\"YARDI\",\"property_id\":\"clw9d1b2e0004qz8h6r9s3t7v\"}";

struct bare {
    struct bare_class class;
    struct bare_record values;
    avro_writer_t writer;
    char bytes[FRAME];
};

/* One record by the libraries alone; returns the length of what they wrote. */
static size_t run_bare(struct bare *bare)
{
    cJSON *json = cJSON_ParseWithLength(RECORD, sizeof RECORD - 1);
    avro_writer_memory_set_dest(bare->writer, bare->bytes, sizeof bare->bytes);
    bare_record_write(&bare->class, &bare->values, bare->writer);
    cJSON_Delete(json);
    return (size_t)avro_writer_tell(bare->writer);
}

/* One record by our encoder. */
static size_t run_ours(struct encoder *encoder, const void **bytes)
{
    struct error error;
    struct encoding info;
    size_t length = 0;
    cJSON *json = json_parse(RECORD, sizeof RECORD - 1);
    bare_demand(encoder_avro(encoder, json, SCHEMA_ID, MAXIMUM, bytes, &length, &info, &error),
                "encoding");
    bare_demand(info.unmapped == 0, "fitting the record to its schema");
    cJSON_Delete(json);
    return length;
}

/* Both write the same. */
static void prepare(struct bare *bare, const struct schema *schema, const void *frame,
                    size_t length)
{
    bare->class = bare_class(schema);
    bare->values = bare_record(&bare->class, frame, length);
    bare->writer = avro_writer_memory(bare->bytes, sizeof bare->bytes);
    bare_demand(run_bare(bare) == length - WIRE_HEADER_SIZE &&
                    memcmp(bare->bytes, (const char *)frame + WIRE_HEADER_SIZE,
                           length - WIRE_HEADER_SIZE) == 0,
                "writing the same bytes by the libraries and by the encoder");
}

static void release(struct bare *bare)
{
    avro_writer_free(bare->writer);
    bare_record_free(&bare->values);
    bare_class_free(&bare->class);
}

static double now_us(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

int main(void)
{
    static double bare_us[ROUNDS];
    static double ours_us[ROUNDS];
    static struct bare bare;
    const void *bytes = NULL;
    struct error error;
    const struct schema *schema = schema_find("residents");
    struct encoder *encoder = encoder_new(schema, &error);
    bare_demand(encoder != NULL, "making an encoder");
    size_t length = run_ours(encoder, &bytes);
    prepare(&bare, schema, bytes, length);
    for (int round = -WARM_UP; round < ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < A_ROUND; i++)
            (void)run_bare(&bare);
        double middle = now_us();
        for (int i = 0; i < A_ROUND; i++)
            (void)run_ours(encoder, &bytes);
        double end = now_us();
        if (round < 0)
            continue;
        bare_us[round] = (middle - start) / A_ROUND;
        ours_us[round] = (end - middle) / A_ROUND;
    }
    double libraries = median(bare_us, ROUNDS);
    double ours = median(ours_us, ROUNDS);
    printf("bench-encode: a resident of %zu bytes, %zu bytes of Avro\n", sizeof RECORD - 1, length);
    printf("  (a) cJSON and avro-c alone  %6.2f us\n", libraries);
    printf("  (b) parse and encoder       %6.2f us\n", ours);
    printf("  ratio %.2f, at most %.1f: %s\n", ours / libraries, TARGET,
           ours <= TARGET * libraries ? "met" : "MISSED");
    release(&bare);
    encoder_free(encoder);
    return ours <= TARGET * libraries ? 0 : 1;
}
