#include "tests/simulator/words.h"

#include <inttypes.h>
#include <string.h>

static const char *const first_names[] = {
    "Mary",  "Sarah", "José",     "Zoë",        "Łukasz", "Nguyễn", "Søren",      "明", "Анна",
    "Aïcha", "Seán",  "D'Angelo", "Anne-Marie", "محمد",   "Çağla",  "Bob \"Bo\"", NULL};
static const char *const last_names[] = {"Miller", "García",       "O'Neil", "Müller", "Nowak",
                                         "佐藤",   "van der Berg", "Ibáñez", "Smith",  "Öztürk",
                                         NULL};
static const char *const streets[] = {
    "Maple Street", "5th Avenue", "Rue de l'Église", "Hauptstraße", "Elm Court",
    "Camino Real",  NULL};
static const char *const cities[] = {"Boston", "San José",      "Montréal", "Austin",
                                     "Zürich", "Coeur d'Alene", NULL};
static const char *const states[] = {"MA", "CA", "TX", "ID", "NY", "OH", NULL};
static const char *const countries[] = {"US", "USA", "CA", "United States", NULL};
static const char *const zones[] = {"-05:00", "-08:00", "+00:00", NULL};
static const char *const kinds[] = {"Standard", "Month-to-Month", "Renewal", "Corporate", "", NULL};
static const char *const animals[] = {"Dog", "Cat", "Ferret", "Parrot", NULL};
static const char *const makes[] = {"Toyota", "Škoda", "Ford", "Citroën", NULL};
static const char *const colors[] = {"red", "blue", "gr\tey", "black", NULL};
static const char *const states_of_things[] = {"Current", "Past",      "Future",
                                               "Notice",  "Applicant", NULL};
static const char *const remarks[] = {"Prefers e-mail.",
                                      "Said \"call back\"\nsecond line\ttabbed",
                                      "C:\\share\\notes",
                                      "Clé sous le paillasson 🗝️",
                                      "\x01 control and \x7f delete",
                                      "zero​width",
                                      "",
                                      NULL};

static void pick(struct text *text, const char *const *list, struct random *random)
{
    uint64_t count = 0;
    while (list[count] != NULL)
        count++;
    const char *word = list[random_below(random, count)];
    text_json(text, word, strlen(word));
}

static void write_number(struct text *text, struct random *random)
{
    text_format(text, "\"%" PRIu64 "\"", 1 + random_below(random, 9999));
}

static void write_small(struct text *text, struct random *random)
{
    text_format(text, random_below(random, 4) == 0 ? "\"%" PRIu64 ".5\"" : "\"%" PRIu64 "\"",
                random_below(random, 5));
}

static void write_email(struct text *text, struct random *random)
{
    text_format(text, "\"user%" PRIu64 "+x@example.com\"", random_below(random, 1000000));
}

static void write_phone(struct text *text, struct random *random)
{
    unsigned number = (unsigned)random_below(random, 10000000);
    switch (random_below(random, 3)) {
    case 0:
        text_format(text, "\"+1555%07u\"", number);
        break;
    case 1:
        text_format(text, "\"(555) %03u-%04u\"", number / 10000, number % 10000);
        break;
    default:
        text_format(text, "\"%07u\"", number);
        break;
    }
}

static void write_date(struct text *text, struct random *random)
{
    int year = 2019 + (int)random_below(random, 9);
    int month = 1 + (int)random_below(random, 12);
    int day = 1 + (int)random_below(random, 28);
    switch (random_below(random, 5)) {
    case 0:
        text_format(text, "\"%04d-%02d-%02dT00:00:00.000Z\"", year, month, day);
        break;
    case 1:
        text_format(text, "\"%04d-%02d-%02dT00:00:00\"", year, month, day);
        break;
    case 2:
        text_format(text, "\"%02d/%02d/%04d\"", month, day, year);
        break;
    default:
        text_format(text, "\"%04d-%02d-%02d\"", year, month, day);
        break;
    }
}

static void write_month(struct text *text, struct random *random)
{
    int year = 2024 + (int)random_below(random, 3);
    int month = 1 + (int)random_below(random, 12);
    if (random_below(random, 2) == 0)
        text_format(text, "\"%04d-%02d\"", year, month);
    else
        text_format(text, "\"%02d/%04d\"", month, year);
}

static void write_moment(struct text *text, struct random *random)
{
    text_format(text, "\"2025-%02d-%02dT%02d:%02d:%02dZ\"", 1 + (int)random_below(random, 12),
                1 + (int)random_below(random, 28), (int)random_below(random, 24),
                (int)random_below(random, 60), (int)random_below(random, 60));
}

static void write_time(struct text *text, struct random *random)
{
    text_format(text, "\"%02d:%02d\"", (int)random_below(random, 24),
                (int)random_below(random, 4) * 15);
}

static void write_money(struct text *text, struct random *random)
{
    static const char *const signs[] = {"", "$", "-"};
    text_format(text, "\"%s%" PRIu64 ",%03d.%02d\"", signs[random_below(random, 3)],
                1 + random_below(random, 9), (int)random_below(random, 1000),
                (int)random_below(random, 100));
}

static void write_address(struct text *text, struct random *random)
{
    struct text street = {0};
    text_format(&street, "%" PRIu64 " %s", 1 + random_below(random, 999),
                streets[random_below(random, 6)]);
    text_json(text, street.data, street.length);
    text_free(&street);
}

static void write_url(struct text *text, struct random *random)
{
    text_format(text, "\"https:\\/\\/www.example.com\\/p\\/%" PRIu64 "?a=1&b=2\"",
                random_below(random, 100000));
}

/* Escapes where raw UTF-8 would do: both must be read alike. */
static void write_escaped(struct text *text, struct random *random)
{
    text_format(text, "\"caf\\u00e9 \\ud83d\\ude00 %" PRIu64 "\"", random_below(random, 100000));
}

static void write_remark(struct text *text, struct random *random)
{
    if (random_below(random, 3) == 0)
        write_escaped(text, random);
    else
        pick(text, remarks, random);
}

static void write_plain(struct text *text, struct random *random)
{
    text_format(text, "\"%s %" PRIu64 "\"", random_below(random, 2) == 0 ? "North" : "South",
                random_below(random, 100000));
}

enum match { EXACT, SUFFIX, PREFIX, CONTAINS };

struct rule {
    enum match match;
    const char *pattern;
    const char *const *list; /* either a list of words */
    void (*write)(struct text *text, struct random *random);
};

/* The first that fits decides. */
static const struct rule rules[] = {
    {SUFFIX, "first_name", first_names, NULL},
    {SUFFIX, "middle_name", first_names, NULL},
    {SUFFIX, "last_name", last_names, NULL},
    {EXACT, "manager_name", last_names, NULL},
    {EXACT, "creator_name", last_names, NULL},
    {SUFFIX, "agent_name", last_names, NULL},
    {EXACT, "leasing_agent", last_names, NULL},
    {EXACT, "post_month", NULL, write_month},
    {EXACT, "offset", zones, NULL},
    {SUFFIX, "percentage_raw", NULL, write_small},
    {CONTAINS, "lease_term", NULL, write_small},
    {CONTAINS, "email", NULL, write_email},
    {CONTAINS, "phone", NULL, write_phone},
    {SUFFIX, "created_at", NULL, write_moment},
    {SUFFIX, "updated_at", NULL, write_moment},
    {EXACT, "last_seen", NULL, write_moment},
    {CONTAINS, "date", NULL, write_date},
    {SUFFIX, "_time", NULL, write_time},
    {SUFFIX, "amount_raw", NULL, write_money},
    {SUFFIX, "balance_raw", NULL, write_money},
    {SUFFIX, "fee_raw", NULL, write_money},
    {SUFFIX, "fee_min_raw", NULL, write_money},
    {SUFFIX, "fee_max_raw", NULL, write_money},
    {SUFFIX, "deposit_raw", NULL, write_money},
    {SUFFIX, "_amount", NULL, write_money},
    {PREFIX, "amount_", NULL, write_money},
    {SUFFIX, "amount_min_raw", NULL, write_money},
    {SUFFIX, "amount_max_raw", NULL, write_money},
    {CONTAINS, "status", states_of_things, NULL},
    {CONTAINS, "address", NULL, write_address},
    {PREFIX, "city", cities, NULL},
    {SUFFIX, "_city", cities, NULL},
    {EXACT, "county", cities, NULL},
    {PREFIX, "state", states, NULL},
    {SUFFIX, "_state", states, NULL},
    {PREFIX, "country", countries, NULL},
    {SUFFIX, "_country", countries, NULL},
    {PREFIX, "zip", NULL, write_number},
    {SUFFIX, "_zip", NULL, write_number},
    {PREFIX, "bathrooms", NULL, write_small},
    {PREFIX, "bedrooms", NULL, write_small},
    {SUFFIX, "number", NULL, write_number},
    {SUFFIX, "year", NULL, write_number},
    {SUFFIX, "floor", NULL, write_small},
    {EXACT, "breed", animals, NULL},
    {EXACT, "make", makes, NULL},
    {EXACT, "color", colors, NULL},
    {CONTAINS, "type", kinds, NULL},
    {EXACT, "term", kinds, NULL},
    {SUFFIX, "url", NULL, write_url},
    {SUFFIX, "_urls", NULL, write_url},
    {EXACT, "website", NULL, write_url},
    {CONTAINS, "notes", NULL, write_remark},
    {CONTAINS, "description", NULL, write_remark},
    {CONTAINS, "policy", NULL, write_remark},
};

static bool fits(const struct rule *rule, const char *field)
{
    size_t length = strlen(field);
    size_t pattern = strlen(rule->pattern);
    if (pattern > length)
        return false;
    switch (rule->match) {
    case EXACT:
        return strcmp(field, rule->pattern) == 0;
    case SUFFIX:
        return strcmp(field + length - pattern, rule->pattern) == 0;
    case PREFIX:
        return strncmp(field, rule->pattern, pattern) == 0;
    case CONTAINS:
        return strstr(field, rule->pattern) != NULL;
    }
    return false;
}

void words_write(struct text *text, const char *field, struct random *random)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (!fits(&rules[i], field))
            continue;
        if (rules[i].list != NULL)
            pick(text, rules[i].list, random);
        else
            rules[i].write(text, random);
        return;
    }
    write_plain(text, random);
}
