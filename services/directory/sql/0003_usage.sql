-- What the broker's operational records say: who used what, by the hour.

ALTER TABLE system ADD COLUMN citizen_facing boolean NOT NULL DEFAULT false;

-- Reports taken in: one row a part, so that repeating one changes nothing. complete: the file's last.
CREATE TABLE usage_report (
	broker      text NOT NULL,
	file        text NOT NULL,
	hour        timestamptz NOT NULL, -- business time
	part        int NOT NULL,
	file_sha256 text NOT NULL,
	complete    boolean NOT NULL,
	PRIMARY KEY (broker, file, hour, part)
);

CREATE INDEX usage_report_complete ON usage_report (broker, file) WHERE complete;

-- Sums over all reports. provider '': it did not come to a worker. status: lgsp.common.v1.Status.
CREATE TABLE usage_hour (
	hour          timestamptz NOT NULL, -- business time
	member        text NOT NULL,
	provider      text NOT NULL,
	service       text NOT NULL,
	method        text NOT NULL,
	status        int NOT NULL,
	requests      bigint NOT NULL,
	request_bytes bigint NOT NULL,
	reply_bytes   bigint NOT NULL,
	PRIMARY KEY (hour, member, provider, service, method, status)
);
