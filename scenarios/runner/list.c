/* Networks, presets, parameters, fields and actions, from the tables that the loader uses. */
#include "scenarios/runner/list.h"

#include <stdio.h>

#include "netns/adapter.h"
#include "scenarios/runner/plan.h"
#include "scenarios/runner/run.h"
#include "sim/firewall.h"
#include "sim/nat_param.h"
#include "sim/nat_preset.h"

static void list_words(const char *const *words)
{
    for (uint32_t i = 0; words[i] != NULL; i++)
        printf("%s%s", i == 0 ? " (" : ", ", words[i]);
    fputc(')', stdout);
}

static void list_fields(const char *title, const struct field *table, const void *defaults)
{
    char text[FIELD_TEXT_SIZE];
    printf("\n%s\n", title);
    for (const struct field *field = table; field->name != NULL; field++) {
        printf("  %-20s %s; default %s", field->name, field->about,
               field_render(field, field_get(field, defaults), text));
        if (field->type == FIELD_WORD)
            list_words(field->words);
        fputc('\n', stdout);
    }
}

static void list_parameters(void)
{
    const struct nat_config defaults = nat_config_default();
    char text[NAT_PARAM_TEXT_SIZE];
    puts("\nParameters of a NAT: nat = { \"PRESET\", NAME = VALUE }");
    for (size_t i = 0; i < nat_param_count(); i++) {
        const struct nat_param *param = nat_param_at(i);
        printf("  %-20s %s Default %s", param->name, param->about,
               nat_param_render(param, &defaults, text));
        if (param->type == NAT_PARAM_WORD)
            list_words(param->words);
        fputc('\n', stdout);
    }
}

void list_everything(void)
{
    puts("Networks: run --on NAME");
    for (uint32_t i = 0; i < run_network_count; i++)
        printf("  %-20s %s\n", run_networks[i].name, run_networks[i].about);
    puts("\nPrograms: program \"NAME\"");
    printf("  %-20s %s\n", "warren", "Warren itself; the default");
    for (uint32_t i = 0; adapter_at(i) != NULL; i++)
        printf("  %-20s %s\n", adapter_at(i)->name, adapter_at(i)->about);
    puts("\nNATs: router \"home\" { nat = \"NAME\" }");
    for (size_t i = 0; i < nat_preset_count(); i++)
        printf("  %-20s %s\n", nat_preset_at(i)->name, nat_preset_at(i)->about);
    list_parameters();
    puts("\nFirewalls: router \"home\" { firewall = \"NAME\" }");
    for (size_t i = 0; i < firewall_preset_count(); i++)
        printf("  %-20s %s\n", firewall_preset_at(i)->name, firewall_preset_at(i)->about);
    static const char *const titles[] = {"Fields of a server", "Fields of a router",
                                         "Fields of a client", "Fields of a hostile host",
                                         "Fields of a bystander"};
    for (uint32_t kind = PLAN_SERVER; kind < PLAN_PLACE_KINDS; kind++) {
        struct plan_place place;
        plan_place_init(&place, (enum plan_place_kind)kind);
        list_fields(titles[kind], plan_place_fields((enum plan_place_kind)kind), &place);
    }
    const struct link_config link = {.latency_ns = 0};
    list_fields("Fields of the link of any of them", plan_link_fields, &link);
    puts("\nActions: at \"1s\" { NAME(\"place\") }");
    for (uint32_t i = 0; i < PLAN_ACTION_KINDS; i++)
        printf("  %-20s %s\n", plan_action_words[i].name, plan_action_words[i].about);
    puts("\nWhat a client finds: classified(\"client\", { NAME = \"WORD\" })");
    for (uint32_t i = 0; i < FINDING_FIELDS; i++) {
        printf("  %-20s", finding_name((enum finding_field)i));
        if (finding_words((enum finding_field)i) != NULL)
            list_words(finding_words((enum finding_field)i));
        else
            fputs(" a number: from one fresh port to the next", stdout);
        fputc('\n', stdout);
    }
}
