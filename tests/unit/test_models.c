/* The model catalogue and the schemas that belong to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bridge/base/attributes.h"
#include "bridge/codec/schema.h"
#include "bridge/propexo/models.h"

static const struct model *find(const char *name)
{
    return model_find(name, strlen(name));
}

/* The figures of the API's description. */
static void test_counts(void **state)
{
    size_t lists = 0;
    size_t gets = 0;
    size_t children = 0;
    size_t neither = 0;
    size_t edges = 0;
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        const struct model *model = model_at(i);
        lists += model->list_path != NULL;
        gets += model->get_path != NULL;
        children += model->parent_count > 0;
        neither += model->list_path == NULL && model->parent_count == 0;
        edges += model->parent_count;
    }
    assert_int_equal(model_count(), 112);
    assert_int_equal(lists, 54);
    assert_int_equal(gets, 51);
    assert_int_equal(children, 17);
    assert_int_equal(neither, 43);
    assert_int_equal(edges, 21);
}

static void test_every_row_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        const struct model *model = model_at(i);
        bool integration = false;
        assert_int_equal(model_index(model), i);
        assert_ptr_equal(find(model->name), model);
        assert_null(strchr(model->name, '-'));
        assert_true(i == 0 || strcmp(model_at(i - 1)->name, model->name) < 0);
        if (model->get_path != NULL) {
            const char *place = strstr(model->get_path, "{id}");
            assert_non_null(place);
            assert_null(strchr(place + 1, '{'));
            assert_non_null(model->list_path);
        }
        assert_int_equal(model->list_path != NULL, model->query_count > 0);
        for (size_t k = 0; k < model->query_count; k++)
            integration = integration || strcmp(model->query[k], "integration_id") == 0;
        assert_int_equal(model->by_integration, integration);
    }
}

static void test_every_readable_model_has_a_schema(void **state)
{
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        const struct model *model = model_at(i);
        const struct schema *schema = schema_find(model->name);
        assert_int_equal(schema != NULL, model->list_path != NULL);
        if (schema == NULL)
            continue;
        assert_string_equal(schema->model, model->name);
        assert_int_equal(schema->length, strlen(schema->text));
        assert_ptr_equal(schema, model_schema(model));
    }
    assert_int_equal(schema_count(), 54 + 1);
    assert_null(schema_find(""));
    assert_null(schema_find("resident"));
}

/* Four ways in which a change becomes visible. */
static void test_kinds(void **state)
{
    size_t counts[4] = {0};
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        const struct model *model = model_at(i);
        enum model_kind kind = model_kind(model);
        counts[kind]++;
        assert_int_equal(model_has_snapshots(model), kind != MODEL_CHILD);
        assert_int_equal(model_schema(model) != NULL, kind != MODEL_CHILD);
        if (kind == MODEL_ASSEMBLED)
            assert_string_equal(model_schema(model)->model, SCHEMA_ASSEMBLED);
    }
    assert_int_equal(counts[MODEL_BY_ID], 51);
    assert_int_equal(counts[MODEL_BY_LIST], 3);
    assert_int_equal(counts[MODEL_CHILD], 15);
    assert_int_equal(counts[MODEL_ASSEMBLED], 43);
}

/* A parent is a readable model, and its schema has the field that holds the child. */
static void test_every_edge_leads_somewhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < model_count(); i++) {
        for (size_t p = 0; p < model_at(i)->parent_count; p++) {
            const struct model_parent *edge = &model_at(i)->parents[p];
            const struct schema *schema = schema_find(model_at((size_t)edge->parent)->name);
            char member[64];
            assert_non_null(schema);
            snprintf(member, sizeof member, "{\"name\": \"%s\"", edge->field);
            assert_non_null(strstr(schema->text, member));
        }
    }
}

static void test_find(void **state)
{
    static const struct {
        const char *name;
        const char *found; /* NULL = no such model */
    } ROWS[] = {
        {"residents", "residents"},
        {"resident-charges", "resident_charges"},
        {"resident_charges", "resident_charges"},
        {"residents-to-leases", "residents_to_leases"},
        {"service-requests_to-vendors", "service_requests_to_vendors"},
        {"units_to_amenity", "units_to_amenity"},
        {"accounting_entities", "accounting_entities"}, /* the first */
        {"vendor_payment_types", "vendor_payment_types"},
        {"", NULL},
        {"resident", NULL},
        {"residentss", NULL},
        {"Residents", NULL},
        {" residents", NULL},
        {"*", NULL},
        {"-", NULL},
        {"a_name_that_is_longer_than_any_model_of_the_catalogue_can_possibly_be", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        const struct model *model = find(ROWS[i].name);
        assert_int_equal(model != NULL, ROWS[i].found != NULL);
        if (model != NULL)
            assert_string_equal(model->name, ROWS[i].found);
    }
    assert_null(model_find("residents\0", 10));
    assert_ptr_equal(model_find("residents and more", 9), find("residents"));
}

static void test_paths_and_edges(void **state)
{
    (void)state;
    const struct model *events = find("events");
    assert_string_equal(events->list_path, "/v1/events/");
    assert_string_equal(events->get_path, "/v1/events/{id}");
    assert_string_equal(find("unit_details")->get_path, "/v1/units/details/{id}");
    assert_string_equal(find("service_request_vendors")->get_path, "/v1/vendors/{id}");
    assert_null(find("timezones")->get_path);
    assert_null(find("unit_pricing")->get_path);
    assert_null(find("lead_relationships")->get_path);
    assert_false(find("fees")->by_integration);
    assert_true(events->by_integration);
    const struct model *child = find("residents-to-leases");
    assert_null(child->list_path);
    assert_int_equal(child->parent_count, 2);
    assert_string_equal(model_at((size_t)child->parents[0].parent)->name, "leases");
    assert_string_equal(child->parents[0].field, "residents_meta_data");
    assert_string_equal(model_at((size_t)child->parents[1].parent)->name, "residents");
    assert_string_equal(child->parents[1].field, "leases_meta_data");
}

static void test_normalise(void **state)
{
    static const char *const ROWS[][2] = {{"", ""},
                                          {"units", "units"},
                                          {"-a--b-", "_a__b_"},
                                          {"resident-charges", "resident_charges"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", ROWS[i][0]);
        model_normalise(name);
        assert_string_equal(name, ROWS[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_every_row_is_sound),
        cmocka_unit_test(test_every_readable_model_has_a_schema),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_every_edge_leads_somewhere),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_paths_and_edges),
        cmocka_unit_test(test_normalise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
