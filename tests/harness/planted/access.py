"""Faults in who may do what: each policy, each grant missing or too wide, who executes what, the view's filter."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from pgassay.mutants import Test
from tests.harness.planted import edits
from tests.jobs import test_constraints as constraints
from tests.jobs import test_foreign_contacts as contacts
from tests.jobs import test_grants as grants
from tests.jobs import test_host as host
from tests.jobs import test_isolation as isolation
from tests.jobs import test_membership as membership
from tests.jobs import test_noninterference as noninterference
from tests.jobs import test_rights as rights
from tests.jobs import test_task_organisation as organisation
from tests.jobs.model import CARD_STATES, JOB_STATUSES, TASK_STATUSES

POLICIES = {
    "jobs": "members_work_with_their_organisations_jobs",
    "job_tasks": "members_work_with_their_organisations_tasks",
    "kanban_cards": "members_work_with_their_organisations_cards",
    "agent_runs": "members_work_with_their_organisations_runs",
    "contacts": "members_work_with_their_organisations_contacts",
}
reading = membership.test_members_of_every_role_read_every_row_in_whatever_state_and_however_old
changing = membership.test_members_of_every_role_change_and_delete_every_row
adding = membership.test_members_of_every_role_add_rows_and_no_others_do
calling = membership.test_members_of_every_role_call_every_function
staying_out = membership.test_others_read_and_change_none_of_them_not_even_who_owns_the_job_and_left
unowned = membership.test_an_organisation_without_members_is_seen_by_service_role_alone
acting_unowned = membership.test_nobody_but_service_role_acts_for_an_organisation_without_members
who_left = membership.test_who_left_calls_nothing_for_the_jobs_that_they_own
read = grants.test_every_column_can_be_read
inserted = grants.test_what_may_be_given_to_a_new_row_is_taken
updated = grants.test_what_may_be_changed_is_changed
deleted = grants.test_rows_may_be_locked_and_deleted
not_inserted = grants.test_a_protected_column_is_not_given_to_a_new_row
not_updated = grants.test_a_protected_column_is_not_changed
of_the_owner = grants.test_the_table_itself_is_the_owners
anon_refused = grants.test_a_caller_who_has_not_signed_in_is_refused_every_statement
executing = grants.test_a_function_is_there_for_those_whom_it_is_for_and_nobody_else
told = noninterference.test_a_row_of_another_organisation_is_told_from_none_by_no_statement
in_words = isolation.test_what_is_foreign_and_what_is_not_there_are_told_in_the_same_words
own_organisations = host.test_everybody_reads_their_own_organisations_and_memberships_and_changes_neither

COMMANDS = ("select", "insert", "update", "delete")
MY_ORGANISATIONS = (
    "select m.organization_id from public.organization_members as m where m.user_id = (select auth.uid())"
)
OF_MINE = f"org_id = any(array({MY_ORGANISATIONS}))"


def clauses(command: str, condition: str) -> str:
    """USING and WITH CHECK, as far as the command has them."""
    using = f"using ({condition})" if command != "insert" else ""
    return f"{using} {f'with check ({condition})' if command in ('insert', 'update') else ''}"


def commands_of_policies() -> Iterator[Fault]:
    """Each command left out of a policy, and each opened to everybody who has signed in."""
    for table, name in POLICIES.items():
        keeping: dict[str, Test] = {
            "select": partial(reading, role="member"),
            "insert": partial(adding, role="member"),
            "update": partial(changing, role="member"),
            "delete": partial(changing, role="member"),
        }
        for command in COMMANDS:
            others = "; ".join(
                f"create policy may_{other} on public.{table} for {other} to authenticated {clauses(other, OF_MINE)}"
                for other in COMMANDS
                if other != command
            )
            change = f"drop policy {name} on public.{table}; {others}"
            yield Fault(f"{table}: members may not {command}", change, keeping[command])
            hole = f"create policy hole on public.{table} for {command} to authenticated {clauses(command, 'true')}"
            test = partial(adding, role="owner") if command == "insert" else partial(staying_out, who="a stranger")
            yield Fault(f"{table}: everybody may {command}", hole, test)
        yield Fault(
            f"{table}: the policy is another role's",
            f"alter policy {name} on public.{table} to service_role",
            partial(reading, role="owner"),
        )
    for table in ("jobs", "job_tasks"):
        yield Fault(
            f"{table}: the policy is everybody's",
            f"alter policy {POLICIES[table]} on public.{table} to public; "
            f"grant select on public.{table}, public.organization_members to anon",
            partial(anon_refused, table=table),
            "with the grants that it needs",
        )
    for table, name in (
        ("organizations", "members_read_their_organisations"),
        ("organization_members", "members_read_their_own_memberships"),
    ):
        yield Fault(f"{table}: no policy", f"drop policy {name} on public.{table}", own_organisations)
        yield Fault(f"{table}: policy true", f"alter policy {name} on public.{table} using (true)", own_organisations)
        for command in ("insert", "update", "delete"):
            change = f"grant {command} on public.{table} to authenticated"
            change += (
                f"; create policy hole on public.{table} for {command} to authenticated {clauses(command, 'true')}"
            )
            yield Fault(f"{table}: everybody may {command}", change, own_organisations, "with a policy")


def conditions_of_policies() -> Iterator[Fault]:
    """Members of some roles only; rows of some states, ages and owners only, or of some more."""
    for table, name in POLICIES.items():
        for role in membership.ROLES:
            change = edits.policy(table, name, "(m.user_id =", f"(m.role <> '{role}' and m.user_id =")
            yield Fault(f"{table}: not for the role {role}", change, partial(reading, role=role))
    conditions = {
        "jobs": [
            *(f"status <> '{status}'" for status in JOB_STATUSES),
            "created_at > '2020-01-01'",
            "created_at < '2020-01-01'",
            "owner_id is null",
            "owner_id is not null",
            "owner_id = (select auth.uid())",
        ],
        "job_tasks": [*(f"status <> '{status}'" for status in TASK_STATUSES), "retry_count = 0", "batch > 0"],
        "kanban_cards": [*(f"state <> '{state}'" for state in CARD_STATES), "job_id is null", "job_id is not null"],
        "agent_runs": ["ended_at is null", "ended_at is not null"],
    }
    for table, those in conditions.items():
        for condition in those:
            change = edits.policy(table, POLICIES[table], "(org_id =", f"({condition} and org_id =")
            yield Fault(f"{table}: only where {condition}", change, partial(reading, role="member"))
    for table, condition, who in (
        ("jobs", "owner_id = (select auth.uid())", "who left"),
        ("jobs", "owner_id is null", "a stranger"),
        ("jobs", "status = 'cancelled'", "a member of another organisation"),
        ("job_tasks", "status = 'skipped'", "a stranger"),
        ("kanban_cards", "job_id is null", "a stranger"),
        ("kanban_cards", "contact_id is null", "who left"),
        ("agent_runs", "ended_at is not null", "a stranger"),
        ("contacts", "target_group is not null", "a member of another organisation"),
    ):
        change = edits.policy(table, POLICIES[table], "(org_id =", f"({condition} or org_id =")
        yield Fault(f"{table}: also where {condition}", change, partial(staying_out, who=who))


# as PostgreSQL writes them
VIEWS_MEMBERS = "WHERE (m.user_id = ( SELECT auth.uid() AS uid))"
VIEWS_ROLE = "current_setting('role'::text) = 'service_role'::text"


def filter_of_the_view() -> Iterator[Fault]:
    for role in membership.ROLES:
        change = edits.view("job_metrics", VIEWS_MEMBERS, f"{VIEWS_MEMBERS.removesuffix(')')} and m.role <> '{role}')")
        yield Fault(f"metrics: not for the role {role}", change, partial(reading, role=role))
    for old, new, name, test in (
        (VIEWS_MEMBERS, "WHERE false", "not for members", partial(reading, role="member")),
        (VIEWS_MEMBERS, "WHERE true", "of every organisation with members", partial(staying_out, who="a stranger")),
        (VIEWS_ROLE, "false", "not for service_role", unowned),
        (VIEWS_ROLE, "auth.role() = 'service_role'::text", "by a claim", None),
        (VIEWS_ROLE, "current_setting('role'::text) = 'authenticated'::text", "for anybody", unowned),
        (
            VIEWS_ROLE,
            f"{VIEWS_ROLE} or not exists (select from public.organization_members as x where x.organization_id = o.id)",
            "of organisations without members for all",
            unowned,
        ),
        (
            "(s.org_id =",
            "(s.status <> 'failed' and s.org_id =",
            "not of jobs that failed",
            partial(reading, role="owner"),
        ),
        ("(s.org_id =", "(s.created_at > '2020-01-01' and s.org_id =", "of new jobs", partial(reading, role="owner")),
        (
            "(s.org_id =",
            "(s.status = 'paused' or s.org_id =",
            "of every paused job",
            partial(staying_out, who="who left"),
        ),
    ):
        claims = partial(isolation.test_claims_without_a_subject_give_nothing, claims={"role": "service_role"})
        yield Fault(f"metrics: {name}", edits.view("job_metrics", old, new), test or claims)
    yield Fault(
        "metrics: with the reader's rights",
        "alter view public.job_metrics set (security_invoker = true)",
        partial(read, role="authenticated"),
    )
    for role in ("authenticated", "service_role"):
        change = f"revoke select on public.job_metrics from {role}"
        yield Fault(f"metrics: not readable by {role}", change, partial(read, role=role))
    yield Fault(
        "metrics: readable by anon",
        "grant select on public.job_metrics to anon",
        partial(anon_refused, table="job_metrics"),
    )


def missing_grants() -> Iterator[Fault]:
    for role in grants.SIGNED_IN:
        for table, columns in grants.INSERTABLE.items():
            yield Fault(
                f"{role} may not delete {table}",
                f"revoke delete on public.{table} from {role}",
                partial(deleted, table=table, role=role),
            )
            for column in columns:
                change = f"revoke insert ({column}) on public.{table} from {role}"
                yield Fault(
                    f"{role} may not insert {table}.{column}", change, partial(inserted, table=table, role=role)
                )
            for column in grants.UPDATABLE[table]:
                change = f"revoke update ({column}) on public.{table} from {role}"
                yield Fault(f"{role} may not update {table}.{column}", change, partial(updated, table=table, role=role))
    for table, types in constraints.TYPES.items():
        for column in types:
            rest = ", ".join(other for other in types if other != column)
            yield Fault(
                f"members may not read {table}.{column}",
                f"revoke select on public.{table} from authenticated; "
                f"grant select ({rest}) on public.{table} to authenticated",
                partial(read, role="authenticated"),
            )
        change = f"revoke select on public.{table} from service_role"
        yield Fault(f"service_role may not read {table}", change, partial(read, role="service_role"))


def wide_grants() -> Iterator[Fault]:
    for verb, pairs, test in (
        ("insert", grants.NOT_INSERTED, not_inserted),
        ("update", grants.NOT_UPDATED, not_updated),
    ):
        for table, column in pairs:
            yield Fault(
                f"members may {verb} {table}.{column}",
                f"grant {verb} ({column}) on public.{table} to authenticated",
                partial(test, table=table, column=column, role="authenticated"),
            )
        for table, column in (("jobs", "status"), ("jobs", "total_tasks"), ("job_tasks", "output")):
            yield Fault(
                f"service_role may {verb} {table}.{column}",
                f"grant {verb} ({column}) on public.{table} to service_role",
                partial(test, table=table, column=column, role="service_role"),
            )
            yield Fault(
                f"members may {verb} all of {table} ({column})",
                f"grant {verb} on public.{table} to authenticated",
                partial(test, table=table, column=column, role="authenticated"),
            )
    for table in ("jobs", "job_tasks"):
        for role in ("anon", *grants.SIGNED_IN):
            for right in ("truncate", "references", "trigger"):
                yield Fault(
                    f"{role} holds {right} on {table}",
                    f"grant {right} on public.{table} to {role}",
                    partial(of_the_owner, table=table, role=role),
                )
        for right in COMMANDS:
            change = f"grant {right} on public.{table} to anon"
            yield Fault(f"anon holds {right} on {table}", change, partial(anon_refused, table=table))
    for role in ("anon", *grants.SIGNED_IN):
        for right in ("usage", "select", "update"):
            yield Fault(
                f"{role} holds {right} on the sequence",
                f"grant {right} on sequence public.job_tasks_id_seq to {role}",
                partial(grants.test_the_sequence_is_the_owners, role=role),
            )
        yield Fault(
            f"{role} may use the private schema",
            f"grant usage on schema private to {role}",
            partial(grants.test_nobody_looks_into_the_private_schema, role=role),
        )


def functions() -> Iterator[Fault]:
    """EXECUTE, missing and too wide; who may act for an organisation; what those are told who may not."""
    for signature, roles in rights.FUNCTIONS_OF_THE_API.items():
        test: Test = partial(executing, call=signature.partition("(")[0])
        for role in sorted(roles):
            change = f"revoke execute on function public.{signature} from {role}"
            yield Fault(f"{role} may not execute {signature}", change, test)
        for role in sorted({"anon", "authenticated"} - roles):
            change = f"grant execute on function public.{signature} to {role}"
            yield Fault(f"{role} executes {signature}", change, test)
    for function in grants.TRIGGERS:
        yield Fault(
            f"PUBLIC executes {function}",
            f"grant execute on function public.{function}() to public",
            partial(grants.test_a_trigger_is_called_by_nobody, function=function),
        )
    may = "private.caller_may_act_for"
    for role in membership.ROLES:
        edit = Edit(may, "m.user_id =", f"m.role <> '{role}' and m.user_id =")
        yield Fault(f"functions are not for the role {role}", edit, partial(calling, role=role))
    memberless = (
        "not exists (select from public.organization_members as x where x.organization_id = p_org_id) or exists"
    )
    for old, new, name, test in (
        ("or exists", f"or {memberless}", "organisations without members are everybody's", acting_unowned),
        ("= 'service_role'", "= 'nobody'", "service_role acts for nobody", acting_unowned),
        (
            "m.organization_id = p_org_id and ",
            "",
            "who is a member anywhere acts for all",
            partial(isolation.test_functions_know_no_jobs_and_tasks_but_those_of_ones_organisations, call="cancel_job"),
        ),
        (
            "and m.user_id = private.caller_id()",
            "",
            "everybody acts for an organisation with members",
            partial(isolation.test_functions_know_no_jobs_and_tasks_but_those_of_ones_organisations, call="retry_task"),
        ),
        (
            "or exists",
            "or exists (select from public.jobs as j where j.org_id = p_org_id and j.owner_id = private.caller_id()) "
            "or exists",
            "who owns a job acts for its organisation",
            who_left,
        ),
    ):
        yield Fault(name, Edit(may, old, new), test)


def words() -> Iterator[Fault]:
    """A foreign row that is told from none: by a hint, a detail, a notice, a warning."""
    there = "if exists (select from public.jobs as j where j.id = p_job_id) then {} end if; {}"
    test: Test
    lost = "raise exception 'job % not found', p_job_id using errcode = 'PT404'"
    for name, told_by in (
        ("a hint", f"{lost}, hint = 'Ask its organisation.';"),
        ("a detail", f"{lost}, detail = 'It is not yours.';"),
        ("a notice", "raise notice 'not yours';"),
        ("a warning", "raise warning 'not yours';"),
        ("a constraint's name", f"{lost}, constraint = 'jobs_pkey';"),
    ):
        change = Edit("private.lock_job", f"{lost};", there.format(told_by, f"{lost};"))
        for call, test in (
            ("in one call", partial(in_words, call="cancel_job")),
            ("in any statement", partial(told, statement="select public.cancel_job(%(job)s)")),
        ):
            yield Fault(f"a foreign job is told by {name}, {call}", change, test)
    filling = "private.fill_task_organisation"
    insert = next(statement for statement in noninterference.STATEMENTS if "input)" in statement)
    for name, old, new, test in (
        (
            "a foreign job is told to who gives it a task",
            "if not found then",
            "if found then raise notice 'there it is'; else",
            organisation.test_a_member_cannot_tell_a_foreign_job_from_none_by_giving_it_a_task,
        ),
        (
            "an unknown job breaks the NOT NULL of a task's organisation",
            "new.org_id := gen_random_uuid();",
            "null;",
            partial(
                organisation.test_for_whom_there_is_no_foreign_job_an_unknown_one_breaks_the_foreign_key,
                who="service_role",
            ),
        ),
        (
            "an unknown job of a task is PT404",
            "new.org_id := gen_random_uuid();",
            "raise exception 'job not found' using errcode = 'PT404';",
            partial(
                organisation.test_for_whom_there_is_no_foreign_job_an_unknown_one_breaks_the_foreign_key,
                who="service_role",
            ),
        ),
    ):
        yield Fault(name, Edit(filling, old, new), test)
    yield Fault(
        "a foreign contact is told from none",
        Edit(
            "private.refuse_foreign_contacts",
            "using errcode = 'PT400'",
            "using errcode = 'PT400', hint = (select 'of another organisation' from public.contacts as c "
            "where c.id::pg_catalog.text = any(select x #>> '{}' from unnest(p_contacts) as x) limit 1)",
        ),
        partial(
            contacts.test_a_contact_that_is_foreign_unknown_or_malformed_is_refused_in_the_same_words, who="member"
        ),
    )
    yield Fault(
        "a foreign contact is told from none by a notice",
        Edit(
            "private.refuse_foreign_contacts",
            "begin",
            "begin if exists (select from public.contacts as c where c.id::pg_catalog.text = any("
            "select x #>> '{}' from unnest(p_contacts) as x)) then raise notice 'there'; end if;",
        ),
        partial(told, statement=insert),
    )


def foreign_contacts() -> Iterator[Fault]:
    """Each way in which a foreign contact gets into a task's input."""
    refusing = "private.refuse_foreign_contacts"
    refused = contacts.test_a_contact_that_is_foreign_unknown_or_malformed_is_refused_in_the_same_words
    for who in contacts.WRITERS:
        test = partial(refused, who=who)
        role = {"member": "authenticated", "service_role": "service_role", "owner": "none"}[who]
        yield Fault(
            f"any contact is taken from the {who}",
            Edit(refusing, "begin", f"begin if current_setting('role') = '{role}' then return; end if;"),
            test,
        )
    for old, new, name in (
        ("c.org_id = n.org_id and ", "", "a contact of any organisation is taken"),
        ("end is not true", "end is false", "an unknown contact is taken"),
        (" ~ '^", " ~* '^", "a contact in capitals is taken"),
        ("{12}$'", "{12}'", "a contact with more behind it is taken"),
        ("'PT400'", "'23503'", "a foreign contact is a broken foreign key"),
    ):
        yield Fault(name, Edit(refusing, old, new), partial(refused, who="member"))
    for verb in ("inserted", "updated"):
        yield Fault(
            f"tasks {verb}: any contact is taken",
            f"drop trigger job_tasks_keep_contacts_and_plans_{verb} on public.job_tasks",
            partial(refused, who="service_role"),
        )
    yield Fault(
        "an input that is an array or a text is asked for a contact",
        Edit("private.check_inserted_tasks", "n.input -> 'contact_id' is not null", "n.input ? 'contact_id'"),
        partial(contacts.test_an_input_without_that_key_may_be_anything, who="member"),
    )
    yield Fault(
        "one right contact is enough",
        Edit(refusing, "if exists (", "if not exists (select from public.contacts as c where c.org_id = any(p_org_ids) "
             "and to_jsonb(c.id::pg_catalog.text) = any(p_contacts)) and exists ("),
        partial(contacts.test_one_foreign_contact_among_many_refuses_the_statement, who="member"),
    )  # fmt: skip
    yield Fault(
        "a task moves without its contact being looked at",
        Edit("private.check_changed_task", "if new.input -> 'contact_id' is not null then",
             "if new.input -> 'contact_id' is distinct from old.input -> 'contact_id' then"),
        contacts.test_a_task_that_moves_to_another_organisation_may_not_take_its_contact_along,
    )  # fmt: skip
    yield Fault(
        "a task whose contact has gone cannot go on",
        "drop trigger job_tasks_keep_contacts_and_plans_updated on public.job_tasks; "
        "create trigger job_tasks_keep_contacts_and_plans_updated after update on public.job_tasks for each row "
        "execute function private.check_changed_task()",
        partial(contacts.test_a_task_whose_contact_has_gone_can_be_worked_on_and_changed_otherwise, who="member"),
    )


FAULTS = [
    *commands_of_policies(),
    *conditions_of_policies(),
    *filter_of_the_view(),
    *missing_grants(),
    *wide_grants(),
    *functions(),
    *words(),
    *foreign_contacts(),
]
