/* Type numbers of PostgreSQL's catalogue (pg_type.dat) and its epoch; private to common/db. */
#ifndef LGSP_DB_OID_H
#define LGSP_DB_OID_H

#define OID_BOOL              16
#define OID_BYTEA             17
#define OID_NAME              19
#define OID_INT8              20
#define OID_INT2              21
#define OID_INT4              23
#define OID_TEXT              25
#define OID_JSON              114
#define OID_UNKNOWN           705
#define OID_BOOL_ARRAY        1000
#define OID_BYTEA_ARRAY       1001
#define OID_INT4_ARRAY        1007
#define OID_TEXT_ARRAY        1009
#define OID_INT8_ARRAY        1016
#define OID_BPCHAR            1042
#define OID_VARCHAR           1043
#define OID_DATE              1082
#define OID_DATE_ARRAY        1182
#define OID_TIMESTAMPTZ       1184
#define OID_TIMESTAMPTZ_ARRAY 1185
#define OID_UUID              2950
#define OID_UUID_ARRAY        2951
#define OID_JSONB             3802
#define OID_FIRST_USER        16384 /* types made by our own migrations: enums and domains */

/* 2000-01-01 after 1970-01-01. */
#define PG_EPOCH_DAY 10957
#define PG_EPOCH_US  (PG_EPOCH_DAY * 86400LL * 1000000LL)

#endif
