"""Faults of what is asked of a job's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from tests.jobs import test_bounds as bounds
from tests.jobs import test_creating as creation

PARAMS = "private.get_job_days"
told = bounds.test_what_is_wrong_with_parameters_is_said_with_the_name_of_the_field_and_what_is_allowed


def parameters() -> Iterator[Fault]:
    for number, (change, message, hint) in enumerate(bounds.FAULTY):
        case = partial(told, change=change, message=message, hint=hint)
        function = "private.check_job_template" if "templates." in message else PARAMS
        words = {
            "private.check_job_template": {
                "must be an object with": "raise exception '% must be an object with",
                "must be a text": "raise exception '%.% must be a text'",
                "is unknown": "raise exception '%.% is unknown'",
            },
            PARAMS: {
                "names a template": "raise exception 'params.cadence.% names",
                "must be the name": "raise exception 'params.cadence.% must be the name",
                "has no template": "raise exception 'params.cadence.% has no template'",
                "is no day": "raise exception 'params.cadence.% is no day'",
                "has no day": "raise exception 'params.cadence has no day'",
                "an object of days": "raise exception 'params.cadence must be an object",
                "an object of templates": "raise exception 'params.templates must be an object",
                "is unknown": "raise exception 'params.% is unknown'",
                "target_group must": "raise exception 'params.target_group",
                "review_mode must": "raise exception 'params.review_mode",
                "batch_size must": "raise exception 'params.batch_size",
            },
        }[function]
        raised = next(text for word, text in words.items() if word in message)
        yield Fault(
            f"params, case {number}: not refused",
            Edit(function, raised, raised.replace("exception", "notice")),
            case,
        )
    object_case = partial(bounds.test_parameters_are_an_object, params=[])
    yield Fault("params: no object", Edit(PARAMS, "jsonb_typeof(p_params) <> 'object'", "false"), object_case)
    coded = bounds.FAULTY[2]
    yield Fault(
        "params: another SQLSTATE",
        Edit(PARAMS, "errcode = 'PT400'", "errcode = '22023'"),
        partial(told, change=coded[0], message=coded[1], hint=coded[2]),
    )
    unnamed = bounds.FAULTY[3]
    for what, old, new in (
        ("an unknown key is not named", "is unknown', v_key", "is unknown', '?'"),
        ("an unknown key is cut off", "is unknown', v_key", "is unknown', left(v_key, 100)"),
        ("those that there are are not named", "Parameters are: target_group", "Parameters are: group"),
    ):
        yield Fault(
            f"params: {what}",
            Edit(PARAMS, old, new),
            partial(told, change=unnamed[0], message=unnamed[1], hint=unnamed[2]),
        )
    cadence, templates = (
        bounds.test_a_cadence_has_at_most_366_days,
        bounds.test_there_are_at_most_100_templates,
    )
    size = partial(bounds.test_parameters_have_at_most_64_kilobytes, character="€")
    for what, old, new, test in (
        ("65,537 bytes", "> 65536", "> 65537", size),
        ("65,535 bytes", "> 65536", "> 65535", size),
        ("characters for bytes", "octet_length(", "char_length(", size),
        ("367 days", "count(*) > 366", "count(*) > 367", cadence),
        ("365 days", "count(*) > 366", "count(*) > 365", cadence),
        ("101 templates", "v_template_count > 100", "v_template_count > 101", templates),
        ("99 templates", "v_template_count > 100", "v_template_count > 99", templates),
    ):
        yield Fault(f"params: {what}", Edit(PARAMS, old, new), test)
    every_size = creation.test_every_batch_size_and_name_of_a_day_that_is_none_is_refused
    batch = creation.test_a_batch_has_1_to_1000_tasks
    for what, old, new, test in (
        (
            "none",
            "between 1 and 1000",
            "between 0 and 1000",
            partial(every_size, named="batch_size", change={"batch_size": 0}),
        ),
        (
            "1001",
            "between 1 and 1000",
            "between 1 and 1001",
            partial(every_size, named="batch_size", change={"batch_size": 1001}),
        ),
        ("not 1", "between 1 and 1000", "between 2 and 1000", partial(batch, size=1)),
        ("not 1000", "between 1 and 1000", "between 1 and 999", partial(batch, size=1000)),
        ("halves", "or v_batch_size % 1 <> 0", "", partial(every_size, named="batch_size", change={"batch_size": 1.5})),
    ):
        yield Fault(f"params.batch_size: {what}", Edit(PARAMS, old, new), test)
    which = creation.test_a_task_says_which_template_it_is_for
    yield Fault(
        "params.cadence: true is not the day's own template",
        Edit(PARAMS, "when v_value = 'true' and v_templates ? v_key then v_key", ""),
        partial(which, cadence={"day0": True}, templates=["day0", "other"], expected="day0"),
    )
    yield Fault(
        "params.cadence: true is not the only template",
        Edit(PARAMS, "when v_value = 'true' and v_template_count = 1 then v_only_template", ""),
        partial(which, cadence={"day0": True}, templates=["only"], expected="only"),
    )
    yield Fault(
        "params.cadence: a day that is left out is planned",
        Edit(PARAMS, "when v_value = 'true' and v_templates ? v_key", "when v_templates ? v_key"),
        partial(which, cadence={"day0": False, "day1": True}, templates=["day0", "day1"], expected="day1"),
    )
    names = bounds.test_who_may_not_create_a_job_hears_where_before_what_is_wrong
    for what, old, new in (
        ("any SQLSTATE for strangers", "errcode = '42501'", "errcode = 'PT403'"),
        ("the organisation is not named", "in the organisation %', p_org_id", "in the organisation %', '?'"),
        ("NULL is no organisation of the caller's", "if p_org_id is null then", "if false then"),
        (
            "a name that does not fit is a violation",
            "when not_null_violation or check_violation",
            "when not_null_violation",
        ),
        (
            "parameters are looked at first",
            "declare\n    v_job public.jobs;\nbegin",
            "declare\n    v_job public.jobs;\nbegin\n    perform private.get_job_days(p_params);",
        ),
    ):
        yield Fault(f"create_job: {what}", Edit("public.create_job", old, new), names)
    yield Fault(
        "create_job: the job is returned as it was before its tasks",
        Edit("public.create_job", "select j.* into strict v_job from public.jobs as j where j.id = v_job.id;", ""),
        creation.test_the_parameters_of_the_specification_make_a_job_and_its_first_batch,
    )
    yield Fault(
        "create_job: without a first batch",
        Edit("public.create_job", "perform private.plan_batch(v_job.id);", ""),
        creation.test_the_parameters_of_the_specification_make_a_job_and_its_first_batch,
    )
    for column, old, new in (
        ("description", "p_description, p_params", "null, p_params"),
        ("owner", "p_params, private.caller_id()", "p_params, null"),
    ):
        yield Fault(
            f"create_job: the {column} is lost",
            Edit("public.create_job", old, new),
            creation.test_the_parameters_of_the_specification_make_a_job_and_its_first_batch,
        )


FAULTS = [
    *parameters(),
]
