/* Which parents an event of a child names, and what is remembered of it. */
#include "tests/unit/unit.h"

#include "bridge/enricher/family.h"

static cJSON *json(const char *text)
{
    cJSON *value = text == NULL ? NULL : cJSON_Parse(text);
    assert_true(text == NULL || value != NULL);
    return value;
}

static const struct model *model(const char *name)
{
    const struct model *found = model_find(name, strlen(name));
    assert_non_null(found);
    return found;
}

static void list(const struct family *family, char text[256])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < family->count; i++)
        length += (size_t)snprintf(text + length, 256 - length, "%s%s:%s", i == 0 ? "" : " ",
                                   model_at((size_t)family->kin[i].edge->parent)->name,
                                   family->kin[i].id);
}

static void test_who_is_named(void **state)
{
    static const struct {
        const char *model;
        const char *diff;
        const char *payload;
        const char *known;
        const char *named;
        const char *learnt; /* NULL: nothing is known after it */
        bool changed;
    } rows[] = {
        {"residents_to_leases", NULL, "{\"resident_id\":\"r\",\"lease_id\":\"l\"}", NULL,
         "leases:l residents:r", "{\"lease_id\":\"l\",\"resident_id\":\"r\"}", true},
        /* silent: what is known counts */
        {"residents_to_leases", "{\"new\":{\"move_in_date\":\"x\"},\"previous\":{}}", NULL,
         "{\"lease_id\":\"l\",\"resident_id\":\"r\"}", "leases:l residents:r",
         "{\"lease_id\":\"l\",\"resident_id\":\"r\"}", false},
        {"residents_to_leases", "{\"new\":{\"move_in_date\":\"x\"}}", NULL, NULL, "", NULL, false},
        /* moved: both leases, and the resident that is known */
        {"residents_to_leases", "{\"new\":{\"lease_id\":\"m\"},\"previous\":{\"lease_id\":\"l\"}}",
         NULL, "{\"lease_id\":\"l\",\"resident_id\":\"r\"}", "leases:m leases:l residents:r",
         "{\"resident_id\":\"r\",\"lease_id\":\"m\"}", true},
        /* left: the former one shows it no more */
        {"residents_to_leases", "{\"new\":{\"lease_id\":null},\"previous\":{\"lease_id\":\"l\"}}",
         NULL, "{\"lease_id\":\"l\"}", "leases:l", "{}", true},
        /* one of two is enough */
        {"screenings", NULL, "{\"lead_id\":\"d\"}", NULL, "leads:d", "{\"lead_id\":\"d\"}", true},
        {"resident_pets", "{\"new\":{\"resident_id\":\"r\"},\"previous\":{\"resident_id\":\"r\"}}",
         NULL, NULL, "residents:r", "{\"resident_id\":\"r\"}", true},
        {"resident_pets", NULL, "{\"resident_id\":7}", NULL, "", NULL, false},
        {"resident_pets", NULL, "{\"resident_id\":\"\"}", NULL, "", NULL, false},
        /* no field names these parents */
        {"employees", NULL, "{\"service_request_id\":\"s\"}", NULL, "", NULL, false},
        {"pet_types", NULL, "{\"property_id\":\"p\"}", NULL, "", NULL, false},
        {"residents", NULL, "{\"resident_id\":\"r\"}", NULL, "", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        cJSON *diff = json(rows[i].diff);
        cJSON *payload = json(rows[i].payload);
        cJSON *known = json(rows[i].known);
        char text[256];
        bool changed = false;
        struct family family = family_of(model(rows[i].model), diff, payload, known);
        list(&family, text);
        if (strcmp(text, rows[i].named) != 0)
            fail_msg("row %zu: %s", i, text);
        known = family_learn(model(rows[i].model), diff, payload, known, &changed);
        cJSON *wanted = json(rows[i].learnt);
        if (changed != rows[i].changed || (known == NULL) != (wanted == NULL) ||
            (known != NULL && !cJSON_Compare(known, wanted, true)))
            fail_msg("row %zu: another memory", i);
        cJSON_Delete(wanted);
        cJSON_Delete(known);
        cJSON_Delete(payload);
        cJSON_Delete(diff);
    }
    assert_true(family_is_named(model("residents_to_leases")));
    assert_false(family_is_named(model("employees")));
    assert_false(family_is_named(model("residents")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
