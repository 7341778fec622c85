"""The protections, how each is taken away, and the test that must notice."""

from __future__ import annotations

from dataclasses import dataclass

CHASSIS = "services/chassis/chassis"
DIALOGS = "services/dialog-svc/dialog_svc/outbound"
CONSUMING = "tests/integration/test_consuming.py"
PUBLISHING = "tests/integration/test_publishing.py"
CURATING = "tests/integration/test_dataset_protections.py"
BEGIN = "tests/unit/test_training_begin.py"
TRAINING = "tests/integration/test_training_lease.py"
LINEAGE = "tests/integration/test_dataset_lineage.py::test_a_dialog_is_followed_to_what_serves_and_back"
SUGGESTING = "tests/integration/test_dataset_suggestions.py"
CHECKS = "tests/integration/test_dataset_checks.py"
AGENTS = "services/agent-svc/agent_svc"
RECORDING = "tests/integration/test_gateway_recording.py"
FAILOVER = "tests/integration/test_routing_failover.py"
ACTIVATION = "tests/integration/test_routing_activation.py"
DATASETS = "services/dataset-svc/dataset_svc"
PERSONAL = "tests/integration/test_dataset_personal.py"
CONSOLE = "services/console-svc/console_svc"
GUARD = "tests/unit/test_console_guard.py"
KEYS = "tests/integration/test_agent_keys.py"
ERASURE = "tests/integration/test_dialog_erasure.py"
NEAR = "tests/integration/test_dataset_near.py"
RETENTION = "tests/integration/test_retention.py"
LOST = "tests/integration/test_lost_topic.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One protection: in `file`, `old` becomes `new`; then `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "inbox",
        f"{CHASSIS}/inbox.py",
        "return first_of_each(batch, {tuple(row) for row in inserted})",
        "return list(batch)",
        f"{CONSUMING}::test_a_redelivered_event_has_no_second_effect",
    ),
    Mutation(
        "same event twice in a batch",
        f"{CHASSIS}/inbox.py",
        "            fresh.discard(identity(received))\n",
        "",
        f"{CONSUMING}::test_the_same_event_twice_in_a_batch_has_one_effect",
    ),
    Mutation(
        "key lock",
        f"{CHASSIS}/outbox.py",
        """        INSERT INTO outbox_keys AS k (tenant_id, topic, key, last_sequence)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[])
        ON CONFLICT (tenant_id, topic, key)
        DO UPDATE SET last_sequence = k.last_sequence + excluded.last_sequence
        RETURNING tenant_id, topic, key, last_sequence
""",
        """        SELECT u.a AS tenant_id, u.b AS topic, u.c AS key, u.d + coalesce((SELECT max(
            (o.headers->>'ce_sequence')::bigint) FROM outbox o
            WHERE (o.tenant_id, o.topic, o.key) = (u.a, u.b, u.c)), 0) AS last_sequence
        FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[]) AS u (a, b, c, d)
""",
        f"{PUBLISHING}::test_a_second_writer_of_a_key_waits_for_the_first",
    ),
    Mutation(
        "a lost broker is no wedged relay",
        f"{CHASSIS}/relay.py",
        "if not await broker_answers(self._settings):",
        "if False:",
        "tests/integration/test_relay_health.py::test_a_lost_broker_is_waited_for_and_leaves_the_service_green",
    ),
    Mutation(
        "relay lock",
        f"{CHASSIS}/relay.py",
        'return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", number, timeout=5))',
        "return bool(number or True)",
        f"{PUBLISHING}::test_two_relays_publish_each_event_once",
    ),
    Mutation(
        "who waits for a lane is not woken",
        f"{CHASSIS}/relay.py",
        "await _until_set(self._stopped, 1.0)",
        "await _until_set(self._wake, 1.0)",
        "tests/integration/test_relay_health.py"
        "::test_a_relay_that_waits_for_its_lane_is_not_woken_by_what_is_committed",
    ),
    Mutation(
        "relay fence",
        f"{CHASSIS}/relay.py",
        'return self._lane == "compacted"',
        "return False",
        f"{PUBLISHING}::test_a_paused_relay_is_fenced_and_cannot_send_old_after_new",
    ),
    Mutation(
        "safe parser",
        f"{CHASSIS}/envelope.py",
        """        if value is None or len(value) > MAX_HEADER:
            continue
        try:
            clean[name] = value.decode()
        except UnicodeDecodeError:
            continue
""",
        "        clean[name] = (value or b'').decode()\n",
        f"{CONSUMING}::test_a_bad_header_that_nobody_reads_costs_nothing",
    ),
    Mutation(
        "an example is locked before it leaves the queue of checks",
        "services/dataset-svc/dataset_svc/outbound/check_store.py",
        "            FOR NO KEY UPDATE OF e SKIP LOCKED\n",
        "",
        f"{CHECKS}::test_a_change_that_is_not_committed_yet_is_not_missed",
    ),
    Mutation(
        "a budget is kept before anything is uploaded",
        "services/training-svc/training_svc/domain/acceptance.py",
        "        or _over_budget(request, cost)\n",
        "",
        f"{BEGIN}::test_what_cannot_be_met_is_refused_before_anything_is_uploaded",
    ),
    Mutation(
        "a wish stands until the provider agrees",
        "services/training-svc/training_svc/domain/wishes.py",
        "    return asked, result\n",
        "    return None, result\n",
        f"{BEGIN}::test_a_wish_stands_until_the_provider_agrees_or_the_run_has_ended",
    ),
    Mutation(
        "lease epoch",
        "services/training-svc/training_svc/outbound/run_store.py",
        "            epoch = epoch + 1,\n",
        "            epoch = 1,\n",
        f"{TRAINING}::test_what_a_past_holder_records_is_refused",
    ),
    Mutation(
        "batch read ahead",
        f"{CHASSIS}/consumer.py",
        "self._seek(kafka, await ahead, batch)",
        "await ahead",
        f"{CONSUMING}::test_a_batch_read_ahead_is_read_again_after_the_one_before_it_was",
    ),
    Mutation(
        "offsets of a topic that was deleted and made again",
        f"{CHASSIS}/topic_ids.py",
        "        if self.id and found != self.id:\n",
        "        if False:\n",
        f"{LOST}::test_a_reader_goes_to_the_beginning_of_a_topic_that_was_made_again",
    ),
    Mutation(
        "the topic's id beside the offset",
        f"{CHASSIS}/topic_ids.py",
        "if one.metadata and one.metadata != found]",
        "if False]",
        f"{LOST}::test_offsets_of_an_earlier_topic_are_not_believed",
    ),
    Mutation(
        "what is published is kept",
        f"{CHASSIS}/relay.py",
        "if self._settings.events_kept_days:",
        "if False:",
        f"{LOST}::test_a_lost_topic_is_rebuilt_and_nothing_that_was_not_taken_is_skipped",
    ),
    Mutation(
        "an older state does not go behind a newer one",
        f"{CHASSIS}/published.py",
        "SELECT FROM outbox o WHERE (o.tenant_id, o.topic, o.key) = (p.tenant_id, p.topic, p.key))",
        "SELECT FROM outbox o WHERE false)",
        f"{LOST}::test_a_state_that_waits_already_is_not_preceded_by_an_older_one",
    ),
    Mutation(
        "what was published of an erased dialog",
        f"{CHASSIS}/outbox.py",
        "    await published.forget(connection, topic, slots)\n",
        "",
        f"{ERASURE}::test_nothing_is_left_of_an_erased_dialog_and_nothing_comes_back",
    ),
    Mutation(
        "silence by the partition's own time",
        f"{DIALOGS}/clock_store.py",
        "JOIN clocks c ON c.partition = l.partition",
        "CROSS JOIN (SELECT now() AS newest) c",
        "tests/integration/test_dialog_idle.py::test_a_dialog_is_silent_by_the_newest_event_of_its_own_partition",
    ),
    Mutation(
        "a dialog that changes while it is listed",
        f"{DIALOGS}/index_store.py",
        "            WHERE d.xmin = u.version::xid\n",
        "",
        "tests/integration/test_dialog_index.py::test_a_dialog_that_changes_while_it_is_listed_is_listed_again",
    ),
    Mutation(
        "rebalance timeout",
        f"{CHASSIS}/kafka.py",
        "        rebalance_timeout_ms=int(settings.rebalance_timeout * 1000),\n",
        "",
        f"{CONSUMING}::test_a_long_batch_is_not_run_by_a_second_member_meanwhile",
    ),
    Mutation(
        "matching lock",
        "services/dataset-svc/dataset_svc/outbound/candidate_store.py",
        '"SELECT pg_advisory_xact_lock($1, turn) FROM',
        '"SELECT $1::int, turn FROM',
        f"{CURATING}::test_a_cap_and_the_batch_with_its_dialog_do_not_miss_each_other",
    ),
    Mutation(
        "place in an import",
        "services/dataset-svc/dataset_svc/usecases/import_examples.py",
        ' or now["position"] != position',
        "",
        f"{CURATING}::test_a_stretch_that_two_processes_read_is_imported_once",
    ),
    Mutation(
        "order of arrival in a dialog",
        f"{AGENTS}/usecases/record_turns.py",
        "        (later if waits else now).append(turn)\n",
        "        now.append(turn)\n",
        f"{RECORDING}::test_two_requests_at_once_are_recorded_in_order_of_arrival",
    ),
    Mutation(
        "the route that the owner saw",
        f"{AGENTS}/usecases/activate_route.py",
        "if activated.expected_route_version != head.route_version:",
        "if False:",
        f"{ACTIVATION}::test_the_history_says_who_and_why_and_rollbacks_go_back",
    ),
    Mutation(
        "young models warm up",
        f"{AGENTS}/usecases/fail_over.py",
        "if young:",
        "if False:",
        f"{FAILOVER}::test_a_young_model_warms_up_while_the_fallback_answers",
    ),
    Mutation(
        "a secret that a run holds",
        f"{AGENTS}/outbound/key_store.py",
        "AND r.status NOT IN ('ready', 'failed', 'cancelled'))",
        "AND false)",
        f"{KEYS}::test_a_newer_key_of_the_account_is_a_version_and_a_run_keeps_the_old_one",
    ),
    Mutation(
        "a refusal of a version that was replaced",
        f"{AGENTS}/usecases/note_key.py",
        "if key is None or key.version != event.version:",
        "if key is None:",
        f"{KEYS}::test_a_refused_version_is_noted_and_one_replaced_since_is_not",
    ),
    Mutation(
        "a job that was seen before",
        f"{AGENTS}/outbound/run_store.py",
        """event.provider_job_id is not None and not (before and before["job_seen"])""",
        "event.provider_job_id is not None",
        f"{KEYS}::test_an_old_job_seen_again_proves_nothing_after_a_refusal",
    ),
    Mutation(
        "models that would stop",
        f"{AGENTS}/usecases/put_key.py",
        "if not plan.harmless and (",
        "if False and (",
        f"{KEYS}::test_another_organisations_key_is_taken_after_naming_what_stops",
    ),
    Mutation(
        "a tombstone for late events",
        f"{DIALOGS}/dialog_store.py",
        "    return [*stones, *late]",
        "    return []",
        f"{ERASURE}::test_a_batch_waits_for_the_erasure_of_a_dialog_that_it_brings",
    ),
    Mutation(
        "whoever takes the dialog in is waited for",
        f"{DIALOGS}/dialog_store.py",
        "    await _insert_new(connection, [make(slot) for slot in slots])\n    return await lock_known",
        "    return await lock_known",
        f"{ERASURE}::test_an_erasure_waits_for_the_batch_that_takes_the_dialog_in",
    ),
    Mutation(
        "what waits in the outbox of an erased dialog",
        "services/dialog-svc/dialog_svc/usecases/erase_dialogs.py",
        "    await outbox.withdraw(connection, DialogErased.TOPIC, slots)\n",
        "",
        f"{ERASURE}::test_nothing_is_left_of_an_erased_dialog_and_nothing_comes_back",
    ),
    Mutation(
        "a version that is just finished is waited for",
        "services/dataset-svc/dataset_svc/outbound/erasure_store.py",
        "ORDER BY d.tenant_id, d.dataset_id, d.version FOR UPDATE",
        "ORDER BY d.tenant_id, d.dataset_id, d.version",
        "tests/integration/test_dataset_erasure.py::test_an_erasure_waits_for_a_version_that_is_just_finished",
    ),
    Mutation(
        "whose a dialog is that began with its rating is asked once that is known",
        f"{DIALOGS}/dialog_store.py",
        " or found[slot].leaf is None}",
        "}",
        f"{ERASURE}::test_a_dialog_that_began_with_its_rating_is_asked_for_its_client_when_that_is_known",
    ),
    Mutation(
        "a client's dialogs whose text has reached its age",
        f"{DIALOGS}/erasure_store.py",
        "WHERE tenant_id = $1 AND client_hmac = $3 AND dialog_id > $4",
        "WHERE false AND tenant_id = $1 AND client_hmac = $3 AND dialog_id > $4",
        f"{ERASURE}::test_a_client_takes_his_dialogs_along_whose_text_has_reached_its_age",
    ),
    Mutation(
        "files at the provider whose ids nobody knows",
        "services/training-svc/training_svc/usecases/report_erasures.py",
        "known or [f\"{run['run_id']}-*\"]",
        "known",
        "tests/unit/test_training_rules.py"
        "::test_files_of_a_run_that_was_given_up_while_uploading_are_waited_for",
    ),
    Mutation(
        "nothing is pinned of what is just being erased",
        "services/dataset-svc/dataset_svc/usecases/erase_dialogs.py",
        "    await erasure_store.lock_datasets(connection, slots)",
        "    # await erasure_store.lock_datasets(connection, slots)",
        "tests/integration/test_dataset_erasure.py::test_nothing_is_pinned_of_what_is_just_being_erased",
    ),
    Mutation(
        "no dead letter of what was erased",
        f"{CHASSIS}/consumer.py",
        "            if slot and await tombstones",
        "            if not slot and await tombstones",
        f"{CONSUMING}::test_a_refused_record_of_something_erased_becomes_no_dead_letter",
    ),
    Mutation(
        "an erased dialog's id still leads to what it touched",
        "services/dataset-svc/dataset_svc/outbound/revision_store.py",
        "SELECT $1, $12, $2, $13 WHERE $12::bytea IS NOT NULL ON CONFLICT DO NOTHING",
        "SELECT $1, $12, $2, $13 WHERE $12::bytea IS NULL ON CONFLICT DO NOTHING",
        LINEAGE,
    ),
    Mutation(
        "a route that was replaced serves no more",
        "services/dataset-svc/dataset_svc/outbound/activation_store.py",
        "UPDATE activation_models m SET serves = false FROM ended",
        "UPDATE activation_models m SET serves = m.serves FROM ended",
        LINEAGE,
    ),
    Mutation(
        "who looks at a dialog waits for who opens it",
        "services/dataset-svc/dataset_svc/usecases/suggest_dialogs.py",
        "            await candidate_store.share_dialogs(connection, waiting)\n",
        "",
        f"{SUGGESTING}::test_who_looks_at_a_dialog_waits_for_who_opens_an_example_of_it",
    ),
    Mutation(
        "skipped stays skipped until another reason comes",
        "services/dataset-svc/dataset_svc/outbound/suggestion_store.py",
        "state = CASE WHEN s.state = 'skipped' AND NOT excluded.names <@ s.skipped",
        "state = CASE WHEN s.state = 'skipped'",
        f"{SUGGESTING}::test_dialogs_are_suggested_with_reasons_and_decided_on",
    ),
    Mutation(
        "one dialog's trouble holds up no other",
        "services/dataset-svc/dataset_svc/usecases/suggest_dialogs.py",
        "except Exception as error:",
        "except KeyError as error:",
        f"{SUGGESTING}::test_a_transcript_that_cannot_be_read_holds_up_no_other_dialog",
    ),
    Mutation(
        "a group of which one changed while it was grouped",
        "services/dataset-svc/dataset_svc/outbound/near_store.py",
        "          AND w.part NOT IN (SELECT part FROM stale)\n",
        "",
        f"{NEAR}::test_an_edit_during_grouping_is_grouped_by_the_next_turn",
    ),
    Mutation(
        "a group on one side",
        "services/dataset-svc/dataset_svc/outbound/version_store.py",
        "coalesce(group_split_hash, split_hash) < $3",
        "split_hash < $3",
        f"{NEAR}::test_a_frozen_version_has_no_pair_on_both_sides_and_groups_stay_on_theirs",
    ),
    Mutation(
        "chains do not take out what is not near",
        "services/dataset-svc/dataset_svc/usecases/fix_example.py",
        " if near.jaccard(own, shingles) >= near.NEAR]",
        "]",
        f"{NEAR}::test_keeping_one_takes_out_those_near_to_it_and_undo_brings_them_back",
    ),
    Mutation(
        "a transcript that an example holds",
        "services/dataset-svc/dataset_svc/outbound/candidate_store.py",
        "SELECT FROM examples e WHERE e.tenant_id = c.tenant_id AND e.dialog_id = c.dialog_id",
        "SELECT FROM examples e WHERE false",
        f"{RETENTION}::test_a_transcript_that_nobody_took_goes_and_comes_back_when_selected_again",
    ),
    Mutation(
        "personal: older detectors",
        f"{DATASETS}/usecases/check_examples.py",
        "    if await check_store.has_outdated(connection, tenant, dataset_id, scan_version()):\n",
        "    if False:\n",
        f"{PERSONAL}::test_what_older_detectors_looked_through_is_looked_through_again_before_it_is_frozen",
    ),
    Mutation(
        "personal: the original",
        f"{DATASETS}/usecases/pseudonymise_example.py",
        "    await example_store.set_original(connection, tenant, example_id, dump(new_original))\n",
        "",
        f"{PERSONAL}::test_from_a_finding_to_pseudonyms_and_back_and_nothing_of_it_elsewhere",
    ),
    Mutation(
        "personal: unsaved edits",
        f"{DATASETS}/usecases/pseudonymise_example.py",
        "        raise problems.unsaved_changes()\n",
        "        pass\n",
        f"{PERSONAL}::test_from_a_finding_to_pseudonyms_and_back_and_nothing_of_it_elsewhere",
    ),
    Mutation(
        "personal: what teaches",
        f"{DATASETS}/domain/personal/rewriting.py",
        "replace(one, weight=was[one.id]) if was.get(one.id) != now.get(one.id) else one for one",
        "one for one",
        "tests/unit/test_dataset_personal.py::test_pseudonyms_change_nothing_of_what_teaches",
    ),
    Mutation(
        "personal: no value in a repr",
        f"{DATASETS}/domain/personal/found.py",
        "    value: str = field(repr=False)\n",
        "    value: str\n",
        "tests/unit/test_dataset_personal.py::test_no_repr_shows_a_value",
    ),
    Mutation(
        "a suggestion whose text expired",
        f"{DATASETS}/usecases/open_example.py",
        'if candidate["uri"] is None:',
        "if False:",
        f"{RETENTION}::test_a_suggestion_whose_text_expired_says_so_and_holds_up_no_worker",
    ),
    Mutation(
        "console: the page's token",
        f"{CONSOLE}/inbound/guard.py",
        "        return hmac.compare_digest(given.encode(), session.page_token.encode())\n",
        "        return True\n",
        f"{GUARD}::test_a_change_needs_our_origin_and_this_sessions_token",
    ),
    Mutation(
        "console: the origin",
        f"{CONSOLE}/inbound/guard.py",
        'if request.headers.get("origin") != self._origin:',
        "if False:",
        f"{GUARD}::test_a_change_needs_our_origin_and_this_sessions_token",
    ),
    Mutation(
        "console: errors in the log",
        f"{CONSOLE}/inbound/asking.py",
        "error=describe(error), at=where(error)",
        "error=str(error), at=where(error)",
        f"{GUARD}::test_what_nobody_foresaw_says_nothing_of_what_was_sent",
    ),
    Mutation(
        "console: news of other tenants",
        f"{CONSOLE}/domain/live.py",
        "        for listener in self._by_tenant.get(tenant, ()):\n            listener.tell(news)\n",
        "        for listeners in self._by_tenant.values():\n"
        "            for listener in listeners:\n                listener.tell(news)\n",
        "tests/unit/test_console_live.py::test_news_reach_the_pages_of_their_tenant_only",
    ),
    Mutation(
        "console: identifiers in paths",
        f"{CONSOLE}/inbound/asking.py",
        'if identifier in {"", ".", ".."}:',
        "if False:",
        "tests/unit/test_console_pages.py::test_no_identifier_leads_to_another_path",
    ),
    Mutation(
        "console: hostile text",
        f"{CONSOLE}/inbound/page.py",
        "else escape(piece)",
        "else Markup(piece)",
        "tests/unit/test_console_texts.py::test_what_others_wrote_is_neither_markup_nor_unseen",
    ),
    Mutation(
        "kafka: the password of now",
        f"{CHASSIS}/kafka_security.py",
        "        return self.password_now()\n",
        '        return str(self.__dict__["_sasl_plain_password"])\n',
        "tests/secure/test_rotation.py::test_a_kafka_password_changes_under_a_running_service",
    ),
    Mutation(
        "kafka: the certificate of now",
        f"{CHASSIS}/kafka_security.py",
        "        if self._cert:\n            current.load_cert_chain(self._cert, self._key)\n"
        "        return current.wrap_bio(*arguments, **named)\n",
        '        if not hasattr(self, "kept"):\n            self.kept = current\n            if self._cert:\n'
        "                current.load_cert_chain(self._cert, self._key)\n"
        "        return self.kept.wrap_bio(*arguments, **named)\n",
        "tests/secure/test_mechanisms.py::test_a_certificate_that_changes_is_taken_with_the_next_connection",
    ),
    Mutation(
        "kafka: who answers",
        f"{CHASSIS}/kafka_security.py",
        "        if self._cert:\n",
        "        current.check_hostname, current.verify_mode = False, ssl.CERT_NONE\n"
        "        if self._cert:\n",
        "tests/secure/test_rights.py::test_a_server_of_another_authority_is_refused",
    ),
    Mutation(
        "a database password that is being changed",
        f"{CHASSIS}/errors.py",
        "    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is being changed\n",
        "",
        "tests/unit/test_chassis_rules.py::test_what_may_pass_by_itself_is_transient",
    ),
    Mutation(
        "topics: rights beyond the contracts",
        "contracts/contracts/access.py",
        "        if name in letters.producers:\n",
        "        if name:\n",
        "tests/contracts/test_contracts_access.py"
        "::test_a_principal_has_what_the_contracts_say_and_nothing_more",
    ),
    Mutation(
        "a master key that is not here is named",
        f"{CHASSIS}/vault.py",
        '"WHERE substr(sealed, 1, $1) <> ALL ($2) GROUP BY 1",',
        '"WHERE substr(sealed, 1, $1) = ALL ($2) GROUP BY 1",',
        f"{KEYS}::test_a_master_key_that_is_not_the_one_of_the_stored_keys_is_named",
    ),
    Mutation(
        "what is damaged in a backup is put over nothing",
        "deploy/ctl/copies.py",
        "if sha256 and digest.hexdigest() != sha256:",
        "if not sha256:",
        "tests/unit/test_ctl_keep.py::test_a_damaged_copy_is_not_put_over_what_is_whole",
    ),
    Mutation(
        "the transcript of an erased dialog is not asked for",
        "deploy/ctl/named.py",
        "if one.path in rows and folders[one.path] not in gone]",
        "if one.path in rows]",
        "tests/integration/test_ctl_keep.py"
        "::test_transcripts_of_erased_dialogs_are_not_lost_though_rows_name_them_still",
    ),
)
