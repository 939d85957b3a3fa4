-- The functions are in src/pg/functions/acting.rs and explain.rs.

comment on function auth.act_as is
    'Administrators: makes an identity that is stated instead of proven, of kind act_as, that of this transaction, and returns it; for tests of policies. Members as auth.identity() shows them: user_id, org_id (a uuid or an external_id), org_role, permissions, workspace_id, scopes, role, email, environment (live by default), claims and others, and also org_ids, workspace_ids and email_verified. Rows of memberships count as for a token of that user; what is stated counts before them. Noted in the server log. 22023 for NULL, another member, a wrong type and what is disabled or unknown; 42501 for a service and anybody but administrators; 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity.';
comment on function auth_internal.described_identity is 'The identity of a credential, or one that is stated, or why the credential is refused.';
comment on function auth_internal.may_run_as is 'May something be run as this role? 42501 when the outer user may not SET ROLE to it, 22023 when there is none.';
comment on function auth_internal.answers_for is 'What queries answer to a role, for an identity; everything is rolled back.';
comment on function auth_internal.calls_in is 'The calls of our functions in a policy''s expression.';
comment on function auth_internal.stored_rows is 'Rows of a table, read past its policies for somebody to whom they do not apply; 42501 for others, 22023 for a bad key.';
