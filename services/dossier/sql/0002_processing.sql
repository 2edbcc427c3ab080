-- Processing: where a dossier comes back to after a pause, the states beside the national one, who
-- works on it and at which step, and what the counters of its parts say. The row stays the only
-- one that changes; every decision is made on it under its lock.

ALTER TABLE dossier
	ADD COLUMN supporting_agency text NOT NULL DEFAULT '', -- took it in for the receiving one
	ADD COLUMN parent text NOT NULL DEFAULT '', -- dossier it is a linked part of
	ADD COLUMN parent_needs boolean NOT NULL DEFAULT false, -- the parent's result waits for it
	ADD COLUMN resumes_to int NOT NULL DEFAULT 0 CHECK (resumes_to IN (0, 1, 2, 4)),
	ADD COLUMN pause_kind text NOT NULL DEFAULT ''
		CHECK (pause_kind IN ('', 'supplement', 'payment', 'stop', 'outside')),
	ADD COLUMN answer_due_at timestamptz, -- the agency's answer to an online filing
	ADD COLUMN reply_due_at timestamptz, -- the applicant's answer to a request for supplement
	ADD COLUMN reason text NOT NULL DEFAULT '', -- code of the reason of the present state
	ADD COLUMN assignee text NOT NULL DEFAULT '', -- subject that works on it
	ADD COLUMN step int NOT NULL DEFAULT 0 CHECK (step >= 0), -- of the template; 0: none
	ADD COLUMN step_from_at timestamptz,
	ADD COLUMN step_due_at timestamptz,
	ADD COLUMN hops int NOT NULL DEFAULT 0 CHECK (hops >= handoffs), -- rows of handoff
	ADD COLUMN in_transit boolean NOT NULL DEFAULT false, -- handed over on paper, not received yet
	ADD COLUMN opinions int NOT NULL DEFAULT 0, -- rows of opinion
	ADD COLUMN opinions_open int NOT NULL DEFAULT 0 CHECK (opinions_open BETWEEN 0 AND opinions),
	ADD COLUMN opinions_pausing int NOT NULL DEFAULT 0
		CHECK (opinions_pausing BETWEEN 0 AND opinions_open), -- open ones that stop the clock
	ADD COLUMN supplements int NOT NULL DEFAULT 0, -- rows of supplement
	ADD COLUMN signed_by text NOT NULL DEFAULT '', -- leader who signed off
	ADD COLUMN decision int NOT NULL DEFAULT 0 CHECK (decision BETWEEN 0 AND 2),
	ADD COLUMN finance_state int NOT NULL DEFAULT 0 CHECK (finance_state BETWEEN 0 AND 4),
	ADD COLUMN handover_state int NOT NULL DEFAULT 0 CHECK (handover_state BETWEEN 0 AND 4),
	ADD COLUMN tracking_number text NOT NULL DEFAULT '', -- of the postal service
	ADD COLUMN extended boolean NOT NULL DEFAULT false, -- the one extension is used up
	ADD COLUMN clock_from_at timestamptz; -- the due date counts from here: acceptance or reopening

-- What stood before: pauses were for payment, results were granted.
ALTER TABLE dossier
	DROP CONSTRAINT dossier_check1,
	DROP CONSTRAINT dossier_check2,
	DROP CONSTRAINT dossier_check3,
	DROP CONSTRAINT dossier_check4;

UPDATE dossier SET
	resumes_to = CASE WHEN state = 6 THEN 4 ELSE 0 END,
	pause_kind = CASE WHEN state = 6 THEN 'payment' ELSE '' END,
	hops = handoffs,
	decision = CASE WHEN state IN (9, 10) THEN 1 ELSE 0 END,
	finance_state = CASE WHEN fee_paid THEN 2 WHEN state = 6 THEN 1 ELSE 0 END,
	handover_state = CASE state WHEN 9 THEN 1 WHEN 10 THEN 3 ELSE 0 END,
	clock_from_at = accepted_at;

ALTER TABLE dossier
	ADD CONSTRAINT dossier_accepted CHECK (accepted_at IS NOT NULL OR state IN (1, 3, 7)
		OR (state = 5 AND resumes_to = 1)),
	ADD CONSTRAINT dossier_clock CHECK ((clock_from_at IS NULL) = (accepted_at IS NULL)),
	ADD CONSTRAINT dossier_resumes CHECK ((resumes_to <> 0) = (state IN (5, 6, 8))),
	ADD CONSTRAINT dossier_paused CHECK ((paused_at IS NOT NULL) = (pause_kind <> '')),
	ADD CONSTRAINT dossier_pause_kind CHECK (CASE state
		WHEN 5 THEN pause_kind = 'supplement'
		WHEN 6 THEN pause_kind = 'payment'
		WHEN 8 THEN pause_kind = 'stop'
		WHEN 4 THEN pause_kind IN ('', 'outside')
		ELSE pause_kind = '' END),
	ADD CONSTRAINT dossier_outside CHECK (state <> 4 OR (pause_kind <> '') = (opinions_pausing > 0)),
	ADD CONSTRAINT dossier_finished CHECK ((finished_at IS NOT NULL) = (state IN (3, 7, 9, 10))),
	ADD CONSTRAINT dossier_verdict CHECK ((verdict <> 0) = (state IN (7, 9, 10))),
	ADD CONSTRAINT dossier_decided CHECK ((decision <> 0) = (state IN (9, 10))),
	ADD CONSTRAINT dossier_handover CHECK ((handover_state <> 0) = (state IN (9, 10))),
	ADD CONSTRAINT dossier_paid CHECK (fee_paid = (finance_state = 2)),
	ADD CONSTRAINT dossier_child CHECK (parent <> '' OR NOT parent_needs);

CREATE INDEX dossier_parent ON dossier (parent) WHERE parent <> '';
CREATE INDEX dossier_reply_due ON dossier (reply_due_at) WHERE state = 5 AND reply_due_at IS NOT NULL;

-- Post of the actor by the directory, and the code of the reason; '' when there is none.
ALTER TABLE history
	ADD COLUMN post text NOT NULL DEFAULT '',
	ADD COLUMN reason text NOT NULL DEFAULT '',
	ADD COLUMN acting_for text NOT NULL DEFAULT ''; -- the absent colleague
