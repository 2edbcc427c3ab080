/*
 * The directory's inside: its handlers, and the rows they share. Handlers are generated's function
 * types; a missing one does not compile.
 *
 * Writers - imports, appointments, decisions on the calendar - take one lock first: they are rare,
 * and what they check spans rows.
 */
#ifndef LGSP_DIRECTORY_DIRECTORY_H
#define LGSP_DIRECTORY_DIRECTORY_H

#include "common/svc/svc.h"
#include "lgsp/directory/v1/directory.pb-c.h"
#include "lgsp/directory/v1/events.pb-c.h"

extern const struct rpc_table directory_rpcs;

/* import.c */
void directory_import_profile(Directory__DirectoryService_Service *svc,
			      const Directory__ImportProfileRequest *in,
			      Directory__ImportProfileReply_Closure reply, void *data);

/* read.c: units, agencies, categories, systems, hours */
void directory_get_unit(Directory__DirectoryService_Service *svc,
			const Directory__GetUnitRequest *in, Directory__GetUnitReply_Closure reply,
			void *data);
void directory_get_agency(Directory__DirectoryService_Service *svc,
			  const Directory__GetAgencyRequest *in,
			  Directory__GetAgencyReply_Closure reply, void *data);
void directory_list_agencies(Directory__DirectoryService_Service *svc,
			     const Directory__ListAgenciesRequest *in,
			     Directory__ListAgenciesReply_Closure reply, void *data);
void directory_list_systems(Directory__DirectoryService_Service *svc,
			    const Directory__ListSystemsRequest *in,
			    Directory__ListSystemsReply_Closure reply, void *data);
void directory_list_category(Directory__DirectoryService_Service *svc,
			     const Directory__ListCategoryRequest *in,
			     Directory__ListCategoryReply_Closure reply, void *data);

void directory_get_hours(Directory__DirectoryService_Service *svc,
			 const Directory__GetHoursRequest *in,
			 Directory__GetHoursReply_Closure reply, void *data);

/* hours.c */
void directory_set_working_hours(Directory__DirectoryService_Service *svc,
				 const Directory__SetWorkingHoursRequest *in,
				 Directory__SetWorkingHoursReply_Closure reply, void *data);

/* officer.c */
void directory_appoint_officer(Directory__DirectoryService_Service *svc,
			       const Directory__AppointOfficerRequest *in,
			       Directory__AppointOfficerReply_Closure reply, void *data);
void directory_list_officers(Directory__DirectoryService_Service *svc,
			     const Directory__ListOfficersRequest *in,
			     Directory__ListOfficersReply_Closure reply, void *data);
void directory_resolve_subject(Directory__DirectoryService_Service *svc,
			       const Directory__ResolveSubjectRequest *in,
			       Directory__ResolveSubjectReply_Closure reply, void *data);

/* account.c */
int account_start(const char *key_path, struct err *err);
void directory_verify_account(Directory__DirectoryService_Service *svc,
			      const Directory__VerifyAccountRequest *in,
			      Directory__VerifyAccountReply_Closure reply, void *data);
void directory_release_account(Directory__DirectoryService_Service *svc,
			       const Directory__ReleaseAccountRequest *in,
			       Directory__ReleaseAccountReply_Closure reply, void *data);

/* calendar.c */
void directory_get_calendar(Directory__DirectoryService_Service *svc,
			    const Directory__GetCalendarRequest *in,
			    Directory__GetCalendarReply_Closure reply, void *data);
void directory_set_calendar_days(Directory__DirectoryService_Service *svc,
				 const Directory__SetCalendarDaysRequest *in,
				 Directory__SetCalendarDaysReply_Closure reply, void *data);

/*
 * What a profile changes of the calendar, in the import's transaction: days it brings, days of an
 * earlier profile it no longer has, more coverage; never what was decided. >0 changed, 0, <0 error.
 */
int calendar_import(struct call *c, const Directory__Calendar *calendar);

/* --- usage.c --- */

void directory_report_usage(Directory__DirectoryService_Service *svc,
			    const Directory__ReportUsageRequest *in,
			    Directory__ReportUsageReply_Closure reply, void *data);
void directory_get_usage_cursor(Directory__DirectoryService_Service *svc,
				const Directory__GetUsageCursorRequest *in,
				Directory__GetUsageCursorReply_Closure reply, void *data);
/* directory.usage. */
int directory_publish_usage(const struct svc_event *ev, struct arena *arena,
			    struct svc_published *out);

/* --- put.c: one dated row into its table --- */

/*
 * Queues the row; a flush later the slot holds its new version when it was new or different, and no
 * row when not. Text is stored in NFC.
 */
int put_unit(struct call *c, const Directory__Unit *unit);
int put_agency(struct call *c, const Directory__Agency *agency);
int put_category(struct call *c, const Directory__CategoryEntry *entry);
int put_system(struct call *c, const Directory__System *system);
/* From a profile: leaves rows alone that an order has made or ended. */
int put_hours(struct call *c, const Directory__Hours *hours);
int put_hours_ordered(struct call *c, const Directory__Hours *hours);
/* From a profile: leaves rows alone that an appointment has made or ended. */
int put_officer(struct call *c, const Directory__Officer *officer);
int put_officer_appointed(struct call *c, const Directory__Officer *officer);

/* Queues the event of a row that was put. */
void event_unit(struct call *c, const Directory__Unit *unit, int32_t version);
void event_agency(struct call *c, const Directory__Agency *agency, int32_t version);
void event_category(struct call *c, const Directory__CategoryEntry *entry, int32_t version);
void event_system(struct call *c, const Directory__System *system, int32_t version);
void event_hours(struct call *c, const Directory__Hours *hours, int32_t version);
void event_officer(struct call *c, const Directory__Officer *officer, int32_t version);

/* publish.c: feed directory.catalogue. */
int directory_publish_catalogue(const struct svc_event *ev, struct arena *arena,
				struct svc_published *out);

/* --- row.c: shared by the readers --- */

/* Queues the lock every writer takes first, held to the end of the transaction. */
void row_lock_writers(struct call *c);
/* The day asked for: on_date, or today by the business clock when empty. */
int row_day(struct call *c, const char *on_date, int32_t *ret_day);
/* 1..500; 0 means 100. */
int row_limit(struct call *c, uint32_t limit, int32_t *ret_limit);
/* A date column as text in the arena; infinity is "". */
const char *row_date(struct call *c, int slot, int row, int col);
/* Columns subject, name, agency_code, post, roles, valid_from, valid_to. */
void row_officer(struct call *c, int slot, int row, Directory__Officer *o);
/*
 * Room for a repeated field: an array of pointers to as many messages as the slot has rows, in the
 * arena. NULL with c->err at its cap.
 */
void *row_messages(struct call *c, int slot, size_t size, size_t *ret_n);

#endif
