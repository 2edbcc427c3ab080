#include "services/bus/broker.h"

const struct err_kind bus_bad_frames = {ERR_INVALID, "BAD_FRAMES",
					"Gói tin không đúng khuôn dạng MDP/0.2 của bus: %s",
					"not a request of MDP/0.2 as this bus speaks it: %s"};
const struct err_kind bus_key_revoked = {ERR_DENIED, "KEY_REVOKED",
					 "Khóa của hệ thống không còn hiệu lực",
					 "the key of this system is no longer valid"};
const struct err_kind bus_no_service = {
	ERR_NO_SERVICE, "NO_SERVICE", "Không có tiến trình nào phục vụ %s", "no worker serves %s"};
/* The limits name themselves: what is full, and its bound. */
const struct err_kind bus_queue_full = {ERR_BUSY, "QUEUE_FULL", "Hàng đợi của dịch vụ đã đầy: %s",
					"the queue of the service is full: %s"};
const struct err_kind bus_share_full = {ERR_BUSY, "QUEUE_SHARE_FULL",
					"Hệ thống đã dùng hết phần của mình trong hàng đợi: %s",
					"this system's share of the queue is used up: %s"};
const struct err_kind bus_member_rate = {ERR_BUSY, "MEMBER_RATE",
					 "Hệ thống gửi yêu cầu nhanh hơn hạn mức %s",
					 "this system sends faster than its limit %s"};
const struct err_kind bus_member_in_flight = {
	ERR_BUSY, "MEMBER_IN_FLIGHT", "Hệ thống có quá nhiều yêu cầu đang chờ trả lời, hạn mức %s",
	"this system has more requests under way than its limit %s"};
const struct err_kind bus_member_bytes = {
	ERR_BUSY, "MEMBER_BYTES", "Các yêu cầu đang chờ của hệ thống vượt hạn mức %s",
	"the requests this system has under way are larger than its limit %s"};
const struct err_kind bus_no_credit = {ERR_BUSY, "NO_FREE_WORKER",
				       "Chưa có tiến trình rảnh phục vụ %s",
				       "no worker of %s is free"};
const struct err_kind bus_broker_full = {ERR_BUSY, "BROKER_FULL",
					 "Bus đang có quá nhiều yêu cầu chờ xử lý: %s",
					 "the broker holds too many requests: %s"};
const struct err_kind bus_body_too_large = {ERR_TOO_LARGE, "BODY_TOO_LARGE",
					    "Nội dung thông điệp vượt quá %s byte",
					    "the body is larger than %s bytes"};
const struct err_kind bus_expired_in_queue = {ERR_EXPIRED, "EXPIRED_IN_QUEUE",
					      "Hết thời hạn khi yêu cầu còn trong hàng đợi",
					      "the deadline passed in the queue"};
const struct err_kind bus_expired_in_flight = {
	ERR_EXPIRED, "EXPIRED_IN_FLIGHT", "Hết thời hạn khi yêu cầu đang được xử lý",
	"the deadline passed while a worker had the request"};
const struct err_kind bus_worker_lost = {ERR_WORKER_LOST, "WORKER_LOST",
					 "Tiến trình của %s ngừng khi đang xử lý yêu cầu",
					 "a worker of %s was lost with the request in its hands"};
const struct err_kind bus_draining = {ERR_DRAINING, "BUS_DRAINING",
				      "Bus đang dừng, hãy dùng địa chỉ khác",
				      "the broker is stopping, use the other endpoint"};
const struct err_kind bus_service_draining = {
	ERR_DRAINING, "SERVICE_DRAINING", "Dịch vụ %s tạm ngừng nhận yêu cầu ở bus này",
	"service %s takes no requests at this broker for now"};
const struct err_kind bus_killed_workers = {
	ERR_INTERNAL, "KILLED_WORKERS", "Hai tiến trình của %s đã ngừng khi xử lý yêu cầu này",
	"two workers of %s were lost with this request in their hands"};
const struct err_kind bus_bad_reply = {ERR_INTERNAL, "BAD_REPLY",
				       "Tiến trình của %s trả lời không hợp lệ",
				       "a worker of %s gave a malformed reply"};
